//! Which keys what is stored was made with.

use sqlx::postgres::PgConnection;

use super::super::{KEKS, Sealed, pepper};
use super::Looked;

pub(super) async fn look(connection: &mut PgConnection) -> Looked<Sealed> {
    let keks = sqlx::query_as(KEKS).fetch_all(&mut *connection).await?;
    let payloads: Vec<String> = sqlx::query_scalar(pepper::NAMING).fetch_all(connection).await?;
    Ok(Sealed { keks, peppers: pepper::named(&payloads) })
}
