//! Examining `PostgreSQL`.

mod activity;
mod asker;
mod durability;
mod growth;
mod guards;
mod replicas;
mod roles;
mod sealed;
mod server;
mod upkeep;

use chrono::TimeDelta;
use sqlx::postgres::{PgConnectOptions, PgConnection};

pub use activity::{Activity, Backend};
pub use durability::{Durability, Standby};
pub use growth::{Growth, Partition};
pub use guards::{Function, Guards, Trigger};
pub use replicas::Replica;
pub use roles::Roles;
pub use server::{Server, SkewedClock};
pub use upkeep::{HotTable, Upkeep};

use super::{Extent, Follower, Migrations, Now, Part, Sealed, Unseen, followers};
use crate::database::OpenError;
use crate::schema;
use asker::Asker;

/// What was found on `PostgreSQL`.
#[derive(Debug)]
pub struct Examined {
    /// Who answers, and how quickly.
    pub server: Part<Server>,
    /// How far its clock is from ours.
    pub clock: Part<SkewedClock>,
    /// Is the schema this version's?
    pub migrations: Part<Migrations>,
    /// Who is at work, and who holds what others wait for.
    pub activity: Part<Activity>,
    /// Does what it acknowledges survive?
    pub durability: Part<Durability>,
    /// Room, connections, cleaning up.
    pub upkeep: Part<Upkeep>,
    /// What needs the tables of the book; nothing, while they aren't there.
    pub book: Option<InTheBook>,
}

/// What was found in the book's tables.
#[derive(Debug)]
pub struct InTheBook {
    /// Who may do what.
    pub roles: Part<Roles>,
    /// Triggers and functions.
    pub guards: Part<Guards>,
    /// The order of the book, and its partitions.
    pub growth: Part<Growth>,
    /// Projections.
    pub followers: Part<Vec<Follower>>,
    /// Running services.
    pub replicas: Part<Vec<Replica>>,
    /// Keys and peppers.
    pub sealed: Part<Sealed>,
}

/// Connects, and looks at everything: first at what explains why the rest may not be to be seen.
pub(super) async fn examine(
    options: PgConnectOptions,
    extent: Extent,
    now: Now<'_>,
) -> Result<Examined, OpenError> {
    let mut asker = Asker::connect(&options, extent).await?;
    let server = asker.ask(async |connection| server::look(connection, &options).await).await;
    let clock = asker.ask(async |connection| server::clock(connection, now).await).await;
    let activity = asker.ask(activity::look).await;
    let migrations = asker.ask(async |connection| Ok(schema::standing_of_postgres(connection).await?)).await;
    let durability = asker.ask(durability::look).await;
    let upkeep = asker.ask(upkeep::look).await;
    let there = "SELECT to_regclass('public.events') IS NOT NULL";
    let there = asker.ask(async |connection| Ok(sqlx::query_scalar(there).fetch_one(connection).await?));
    let book = match there.await {
        Ok(false) => None,
        Ok(true) | Err(_) => Some(in_the_book(&mut asker, extent).await),
    };
    asker.close().await;
    Ok(Examined { server, clock, migrations, activity, durability, upkeep, book })
}

async fn in_the_book(asker: &mut Asker, extent: Extent) -> InTheBook {
    InTheBook {
        roles: asker.ask(roles::look).await,
        guards: asker.ask(guards::look).await,
        growth: asker.ask(async |connection| growth::look(connection, extent).await).await,
        followers: asker.ask(folded).await,
        replicas: asker.ask(replicas::look).await,
        sealed: asker.ask(sealed::look).await,
    }
}

async fn folded(connection: &mut PgConnection) -> Looked<Vec<Follower>> {
    Ok(sqlx::query_as(&followers("clock_timestamp()")).fetch_all(connection).await?)
}

/// Seconds of the database, as a span of time.
fn span(seconds: f64) -> TimeDelta {
    #[expect(clippy::cast_possible_truncation, reason = "a span of time fits, and the cast saturates")]
    TimeDelta::microseconds((seconds * 1e6) as i64)
}

/// So that `?` turns either kind of error into a reason.
type Looked<T> = Result<T, Unseen>;
