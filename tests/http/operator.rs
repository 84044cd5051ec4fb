use serde_json::json;

use super::given::{neighbour, text};
use crate::doctor::check;
use crate::house::TestHouse;

super::on_both_books! {
    operator_sees_workspaces_by_id_and_not_by_name
    operator_sees_where_projections_stand_and_rebuilds_one
    nobody_else_operates_the_instance
}

async fn operator_sees_workspaces_by_id_and_not_by_name(house: TestHouse) {
    let other = neighbour(&house).await;
    let head = house.app.journal.head().await.unwrap().next.0 - 1;
    let path = format!("/v1/operator/workspaces?min_position={head}");
    let list = house.get(&path, &house.operator).await.expect(200);
    let ids: Vec<String> = list["items"].as_array().unwrap().iter().map(|item| text(&item["id"])).collect();
    assert_eq!(ids, [house.workspace.clone(), other.workspace]);
    assert_eq!(list["items"][0].as_object().unwrap().len(), 2, "an id and a time");
}

async fn operator_sees_where_projections_stand_and_rebuilds_one(house: TestHouse) {
    let health = house.get("/v1/operator/health", &house.operator).await.expect(200);
    assert_eq!(health["status"], "ok");
    for name in ["service", "positions", "triggers", "projections", "kek", "pepper", "disk"] {
        check(&health, name, "ok");
    }
    let list = house.get("/v1/operator/projections", &house.operator).await.expect(200);
    let tool_server =
        list["items"].as_array().unwrap().iter().find(|item| item["name"] == "tool_server").unwrap();
    assert_eq!((&tool_server["active"], &tool_server["status"]), (&json!(true), &json!("running")));

    let body = json!({ "name": "Wiki", "url": "http://127.0.0.1:9/mcp" });
    let made = house.post(&house.path("/tool-servers"), &house.key, body).await.expect(201);
    let rebuild = "/v1/operator/projections/tool_server/rebuild";
    let rebuilt = house.post(rebuild, &house.operator, json!({})).await.expect(200);
    assert_ne!(rebuilt["version"], tool_server["version"]);
    let read = house.get(&house.path(&format!("/tool-servers/{}", text(&made["id"]))), &house.key).await;
    assert_eq!(read.expect(200)["name"], "Wiki");
    let nothing = house.post("/v1/operator/projections/nothing/rebuild", &house.operator, json!({})).await;
    assert_eq!(nothing.problem(404), "not_found");
}

async fn nobody_else_operates_the_instance(house: TestHouse) {
    for path in ["/v1/operator/health", "/v1/operator/workspaces", "/v1/operator/projections"] {
        assert_eq!(house.get(path, &house.key).await.problem(403), "insufficient_scope", "{path}");
    }
}
