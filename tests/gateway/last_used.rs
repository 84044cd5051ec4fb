//! A key that an agent uses at the session URL was used; the session's own token is nobody's key.

use serde_json::{Value, json};

use super::setting::Setting;

#[tokio::test]
async fn key_that_is_used_over_mcp_shows_as_used_and_the_token_uses_none() {
    let setting = Setting::modern().await;
    let house = &setting.house;
    let keys = house.path("/api-keys");
    let made = house.post(&keys, &house.key, json!({ "device_label": "agent" })).await.expect(201);
    let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    let read = format!("{keys}/{id}?min_position={}", made["position"]);
    let last_used = async || house.get(&read, &house.key).await.expect(200)["last_used_at"].clone();

    assert_eq!(setting.wire().modern("tools/list", json!({})).await.status, 200);
    assert_eq!(last_used().await, Value::Null);
    let head = house.app.journal.head().await.unwrap().next;
    assert_eq!(setting.wire().with_token(key).modern("tools/list", json!({})).await.status, 200);
    assert!(last_used().await.is_string());
    assert_eq!(house.app.journal.head().await.unwrap().next, head, "listing tools writes nothing");
}
