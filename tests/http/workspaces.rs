use serde_json::json;

use super::given::{neighbour, text};
use crate::house::TestHouse;

super::on_both_books! {
    operator_makes_a_workspace_with_its_first_owner
    key_sees_its_own_workspace_and_no_other
    renamed_workspace_is_read_by_its_new_name
}

async fn operator_makes_a_workspace_with_its_first_owner(house: TestHouse) {
    let body = json!({ "name": "Next door", "owner": { "name": "Nora" } });
    let answer = house.post("/v1/workspaces", &house.operator, body).await;
    let position = answer.headers["tollbook-position"].to_str().unwrap().to_owned();
    let made = answer.expect(201);
    assert_eq!(made["position"].to_string(), position);
    let (id, key) = (text(&made["id"]), text(&made["api_key"]));
    let path = format!("/v1/workspaces/{id}?min_position={position}");
    let read = house.get(&path, &key).await.expect(200);
    assert_eq!(read, json!({ "id": id, "name": "Next door", "created_at": made["created_at"] }));

    let refused = house.post("/v1/workspaces", &house.key, json!({ "name": "x" })).await;
    assert_eq!(refused.problem(403), "insufficient_scope");
}

async fn key_sees_its_own_workspace_and_no_other(house: TestHouse) {
    let other = neighbour(&house).await;
    let list = house.get("/v1/workspaces", &other.key).await.expect(200);
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    assert_eq!(list["items"][0]["id"], other.workspace.as_str());
    assert_eq!(house.get(&house.path(""), &other.key).await.problem(404), "not_found");
    assert_eq!(house.get(&house.path(""), &house.operator).await.problem(404), "not_found");
}

async fn renamed_workspace_is_read_by_its_new_name(house: TestHouse) {
    let body = json!({ "name": "Acme" });
    let renamed = house.ask(reqwest::Method::PATCH, &house.path(""), &house.key, Some(body), &[]).await;
    let renamed = renamed.expect(200);
    assert_eq!(renamed["name"], "Acme");
    let read = house.path(&format!("?min_position={}", renamed["position"]));
    assert_eq!(house.get(&read, &house.key).await.expect(200)["name"], "Acme");
}
