//! Each resource of the REST interface, on both books.

mod api_keys;
mod asking;
mod audit;
mod authorize;
mod bounds;
mod confinement;
mod foreign_ids;
pub mod given;
mod last_used;
mod loadouts;
mod malformed;
mod one_time_links;
mod operations;
mod operator;
mod people;
mod repetition;
mod sessions;
mod tool_calls;
mod tool_servers;
mod workspaces;

/// Each promise is kept on `SQLite` and on `PostgreSQL`.
macro_rules! on_both_books {
    ($($promise:ident)*) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                super::$promise(crate::house::TestHouse::sqlite().await).await;
            })*
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() {
                super::$promise(crate::house::TestHouse::postgres().await).await;
            })*
        }
    };
}
use on_both_books;
