use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tollbook_journal::{Database, Filter, Position, Recorded};

use super::given::{neighbour, text};
use crate::doctor::check;
use crate::house::{Answer, TestHouse};

super::on_both_books! {
    operator_sees_workspaces_by_id_and_not_by_name
    operator_sees_where_projections_stand_and_rebuilds_one
    what_differs_is_shown_and_swapped_only_when_an_operator_says_so
    order_is_carried_out_once_however_often_its_request_is_repeated
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
    let list = house.get(PROJECTIONS, &house.operator).await.expect(200);
    let tool_server =
        list["items"].as_array().unwrap().iter().find(|item| item["name"] == "tool_server").unwrap();
    assert_eq!((&tool_server["status"], &tool_server["build"]), (&json!("running"), &json!(null)));

    let body = json!({ "name": "Wiki", "url": "http://127.0.0.1:9/mcp" });
    let made = house.post(&house.path("/tool-servers"), &house.key, body).await.expect(201);
    let ordered = order(&house, "tool_server", "rebuild").await.expect(202);
    let rebuilt = ended(&house, "tool_server").await;
    assert_eq!(
        (&rebuilt["build"]["state"], &rebuilt["build"]["differences"]),
        (&json!("swapped"), &json!(0))
    );
    assert_eq!(rebuilt["build"]["ordered_at"], ordered["position"]);
    assert_ne!(rebuilt["version"], tool_server["version"]);
    let read = || async {
        let path = house.path(&format!("/tool-servers/{}", text(&made["id"])));
        house.get(&path, &house.key).await.expect(200)["name"].clone()
    };
    assert_eq!(read().await, "Wiki");

    order(&house, "tool_server", "rollback").await.expect(200);
    let back = house.get(&format!("{PROJECTIONS}/tool_server"), &house.operator).await.expect(200);
    assert_eq!((&back["version"], &back["build"]["state"]), (&tool_server["version"], &json!("rolled_back")));
    assert_eq!(read().await, "Wiki");
    order(&house, "tool_server", "verify").await.expect(202);
    let verified = ended(&house, "tool_server").await;
    assert_eq!(
        (&verified["build"]["state"], &verified["build"]["differences"]),
        (&json!("verified"), &json!(0))
    );

    for what in ["rebuild", "verify", "swap", "rollback"] {
        assert_eq!(order(&house, "nothing", what).await.problem(404), "not_found");
    }
    assert_eq!(order(&house, "tool_server", "swap").await.problem(409), "projection.nothing_built");
    assert_eq!(order(&house, "session", "rollback").await.problem(409), "projection.nothing_kept");
    let told = orders_in_the_book(&house).await;
    assert_eq!(told, ["rebuild_requested", "rollback_requested", "verification_requested"]);
}

const PROJECTIONS: &str = "/v1/operator/projections";

async fn order(house: &TestHouse, name: &str, what: &str) -> Answer {
    house.post(&format!("{PROJECTIONS}/{name}/{what}"), &house.operator, json!({})).await
}

/// The projection, once its newest build has come to its end.
async fn ended(house: &TestHouse, name: &str) -> Value {
    let patience = Instant::now() + Duration::from_secs(60);
    loop {
        let now = house.get(&format!("{PROJECTIONS}/{name}"), &house.operator).await.expect(200);
        if !["building", "comparing"].contains(&now["build"]["state"].as_str().unwrap()) {
            return now;
        }
        assert!(Instant::now() < patience, "{now:#}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// What operators ordered of projections, as the book has it: each in the name of an operator.
async fn orders_in_the_book(house: &TestHouse) -> Vec<String> {
    let filter = Filter { event_types: Some(&["instance"]), ..Filter::default() };
    let page = house.app.journal.read(Position(0), 1000, &filter).await.unwrap();
    let orders = page.events.into_iter().filter(|event| event.event_type.starts_with("instance.projection_"));
    let told = |event: Recorded| {
        assert!(event.metadata.contains(r#""actor":"operator:"#), "{}", event.metadata);
        assert!(!event.control && !event.narrows);
        event.event_type.trim_start_matches("instance.projection_").to_owned()
    };
    orders.map(told).collect()
}

async fn what_differs_is_shown_and_swapped_only_when_an_operator_says_so(house: TestHouse) {
    let body = json!({ "name": "Wiki", "url": "http://127.0.0.1:9/mcp" });
    let made = house.post(&house.path("/tool-servers"), &house.key, body).await.expect(201);
    let path = house.path(&format!("/tool-servers/{}", text(&made["id"])));
    let position = made["position"].as_u64().unwrap();
    house.get(&format!("{path}?min_position={position}"), &house.key).await.expect(200);
    // Somebody's hand in the tables.
    let sql = format!("DELETE FROM projection_rows WHERE key = '{}'", text(&made["id"]));
    match house.app.journal.database() {
        Database::Postgres(pool) => drop(sqlx::query(&sql).execute(pool).await.unwrap()),
        Database::Sqlite(book) => drop(sqlx::query(&sql).execute(&book.views).await.unwrap()),
    }
    order(&house, "tool_server", "verify").await.expect(202);
    let verified = ended(&house, "tool_server").await["build"].clone();
    assert_eq!(verified["differences"], 1);
    let example = &verified["examples"][0];
    assert_eq!(
        (&example["key"], &example["what"], &example["stands"]),
        (&made["id"], &json!("row"), &json!(null))
    );
    assert_eq!(example["folded"]["id"], made["id"]);

    order(&house, "tool_server", "rebuild").await.expect(202);
    assert_eq!(ended(&house, "tool_server").await["build"]["state"], "differs");
    assert_eq!(house.get(&path, &house.key).await.problem(404), "not_found", "still what stood");
    order(&house, "tool_server", "swap").await.expect(200);
    assert_eq!(house.get(&path, &house.key).await.expect(200)["name"], "Wiki");
}

async fn order_is_carried_out_once_however_often_its_request_is_repeated(house: TestHouse) {
    let once = |path: &'static str| {
        let house = &house;
        async move {
            let headers = [("idempotency-key", path)];
            let path = format!("{PROJECTIONS}/session/{path}");
            house.ask(Method::POST, &path, &house.operator, Some(json!({})), &headers).await
        }
    };
    let first = once("rebuild").await.expect(202);
    let built = ended(&house, "session").await["version"].clone();
    assert_eq!(once("rebuild").await.expect(202), first);
    assert_eq!(ended(&house, "session").await["version"], built);
    let first = once("rollback").await.expect(200);
    let back = ended(&house, "session").await["version"].clone();
    assert_ne!(back, built);
    assert_eq!(once("rollback").await.expect(200), first);
    assert_eq!(ended(&house, "session").await["version"], back, "not rolled forward again");
    assert_eq!(orders_in_the_book(&house).await, ["rebuild_requested", "rollback_requested"]);
}

async fn nobody_else_operates_the_instance(house: TestHouse) {
    for path in ["/v1/operator/health", "/v1/operator/workspaces", "/v1/operator/projections"] {
        assert_eq!(house.get(path, &house.key).await.problem(403), "insufficient_scope", "{path}");
    }
    for what in ["rebuild", "verify", "swap", "rollback"] {
        let refused = house.post(&format!("{PROJECTIONS}/session/{what}"), &house.key, json!({})).await;
        assert_eq!(refused.problem(403), "insufficient_scope", "{what}");
    }
    assert!(orders_in_the_book(&house).await.is_empty());
}
