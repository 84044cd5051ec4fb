//! What the tests of this folder share.

use std::time::Duration;

use tollbook::outbound::{Limits, Outbound, Policy};

/// The guarded client, allowed to reach loopback.
pub fn outbound() -> Outbound {
    let policy = Policy { allow_private: true, ..Policy::default() };
    Outbound::new(policy, Limits::default()).unwrap()
}

/// Waits until `holds`; fails after a minute.
pub async fn eventually(holds: impl AsyncFn() -> bool) {
    let held = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), held).await.expect("it holds within a minute");
}
