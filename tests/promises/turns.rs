//! The append lock in a test's hands: whoever comes to write meanwhile waits in a row, and has their turn in the
//! order in which they came. So that of two requests the one is decided before the other is written, every time.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Connection as _};

use crate::house::TestHouse;

/// Held until it is let go. `PostgreSQL` only.
pub(super) struct AppendLock(PgConnection);

impl AppendLock {
    /// Waits for its turn like everybody else.
    pub(super) async fn take(house: &TestHouse) -> Self {
        let options: PgConnectOptions =
            house.database_url().expect("it is on PostgreSQL").parse().expect("it is a URL");
        let mut connection = options.connect().await.expect("it connects");
        for sql in ["BEGIN", "SELECT pg_advisory_xact_lock(7070, 1)"] {
            sqlx::query(sql).execute(&mut connection).await.expect("it has its turn");
        }
        Self(connection)
    }

    /// Until so many writers wait; `false` when they gave up, because the machine was too busy.
    pub(super) async fn has_waiting(&mut self, writers: i64) -> bool {
        let sql = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 7070
                   AND objid = 1 AND NOT granted
                   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        for _ in 0..2_000 {
            let waiting: i64 =
                sqlx::query_scalar(sql).fetch_one(&mut self.0).await.expect("the locks can be seen");
            if waiting >= writers {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        false
    }

    pub(super) async fn let_go(self) {
        self.0.close().await.expect("it ends");
    }
}

/// One after the other, on two replicas: `first` waits to be written while `second` is decided, and is written
/// before it. On a machine that is too busy for it either may be told to try again.
pub(super) async fn in_turn<A, B>(
    house: &TestHouse,
    first: impl Future<Output = A>,
    second: impl Future<Output = B>,
) -> (A, B) {
    let mut lock = AppendLock::take(house).await;
    let (gate, opened) = tokio::sync::oneshot::channel();
    let second = async {
        let _ = opened.await;
        second.await
    };
    let turns = async {
        lock.has_waiting(1).await;
        let _ = gate.send(());
        lock.has_waiting(2).await;
        lock.let_go().await;
    };
    let (first, second, ()) = tokio::join!(first, second, turns);
    (first, second)
}
