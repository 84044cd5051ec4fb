//! Who answers, how quickly, and what time it is there.

use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::postgres::{PgConnectOptions, PgConnection};

use super::super::Now;
use super::Looked;

/// The server.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Server {
    /// As it calls itself, such as `15.18`.
    pub version: String,
    /// As a number, such as 150018.
    pub version_number: i32,
    /// Does it follow another server, and so write nothing?
    pub is_standby: bool,
    /// Is the connection encrypted?
    pub encrypted: bool,
    /// The protocol, such as `TLSv1.3`.
    pub protocol: Option<String>,
    /// Where we connected to: a host name or a directory, and a port.
    #[sqlx(skip)]
    pub place: String,
    /// Is that this machine?
    #[sqlx(skip)]
    pub local: bool,
    /// Which database.
    pub database: String,
    /// The quickest of three round trips.
    #[sqlx(skip)]
    pub round_trip: Duration,
}

const SERVER: &str = "
    SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int AS version_number,
        pg_is_in_recovery() AS is_standby, coalesce(s.ssl, false) AS encrypted, s.version AS protocol,
        current_database()::text AS database
    FROM (SELECT 1) one LEFT JOIN pg_stat_ssl s ON s.pid = pg_backend_pid()";

pub(super) async fn look(connection: &mut PgConnection, options: &PgConnectOptions) -> Looked<Server> {
    let mut round_trip = Duration::MAX;
    for _ in 0..3 {
        let begun = Instant::now();
        sqlx::query("SELECT 1").execute(&mut *connection).await?;
        round_trip = round_trip.min(begun.elapsed());
    }
    let server: Server = sqlx::query_as(SERVER).fetch_one(connection).await?;
    let host =
        options.get_socket().map_or_else(|| options.get_host().to_owned(), |dir| dir.display().to_string());
    let local = options.get_socket().is_some()
        || host.starts_with('/')
        || ["localhost", "127.0.0.1", "::1", "[::1]"].contains(&host.as_str());
    Ok(Server { place: format!("{host}:{}", options.get_port()), local, round_trip, ..server })
}

/// Two clocks, compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SkewedClock {
    /// How far the database's clock is ahead of ours.
    pub ahead: TimeDelta,
    /// How far off that may be: half of the time that asking took.
    pub give_or_take: TimeDelta,
}

pub(super) async fn clock(connection: &mut PgConnection, now: Now<'_>) -> Looked<SkewedClock> {
    let asked = now();
    let there: DateTime<Utc> = sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(connection).await?;
    let half = (now() - asked) / 2;
    Ok(SkewedClock { ahead: there - (asked + half), give_or_take: half })
}
