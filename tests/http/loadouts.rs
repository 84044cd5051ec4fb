use reqwest::Method;
use serde_json::{Value, json};
use tollbook_testkit::node::Upstream;

use super::given::{ids, text, upstream};
use crate::house::TestHouse;

super::on_both_books! {
    loadout_pins_tools_under_the_names_that_agents_see
    new_version_leaves_sessions_on_the_one_before
    changed_tool_is_shown_until_a_new_version_accepts_it
    tool_that_no_server_offers_is_refused
    removed_loadout_ends_its_sessions
}

fn tool(server: &str, tool: &str) -> Value {
    json!({ "tool_server_id": server, "tool": tool })
}

fn names(loadout: &Value) -> Vec<String> {
    loadout["tools"].as_array().unwrap().iter().map(|tool| text(&tool["name"])).collect()
}

async fn loadout_pins_tools_under_the_names_that_agents_see(house: TestHouse) {
    let url = upstream().await.url();
    let (wiki, git) = (house.tool_server("My Wiki", url).await, house.tool_server("Git", url).await);
    let add = json!({ "tool_server_id": git, "tool": "add", "as": "sum" });
    let body = json!({ "name": "Research", "tools": [tool(&wiki, "echo"), tool(&git, "echo"), add] });
    let made = house.post(&house.path("/loadouts"), &house.key, body).await.expect(201);
    assert_eq!(names(&made), ["my_wiki_echo", "git_echo", "sum"]);
    assert_eq!((&made["version"], &made["name"]), (&json!(1), &json!("Research")));
    assert_eq!(made["tools"][0]["tool_server_id"], wiki.as_str());
    assert_eq!(made["tools"][2]["tool"], "add");
    let path = house.path(&format!("/loadouts/{}?min_position={}", text(&made["id"]), made["position"]));
    let read = house.get(&path, &house.key).await.expect(200);
    for member in ["id", "name", "version", "tools", "created_at"] {
        assert_eq!(read[member], made[member], "{member}");
    }
    assert_eq!(read["status"], "live");
}

async fn new_version_leaves_sessions_on_the_one_before(house: TestHouse) {
    let server = house.tool_server("Wiki", upstream().await.url()).await;
    let loadout = house.loadout(&server, &["echo", "add"]).await;
    let session = house.session(&loadout).await;
    let body = json!({ "tools": [tool(&server, "echo")] });
    let versions = house.path(&format!("/loadouts/{loadout}/versions"));
    let second = house.post(&versions, &house.key, body).await.expect(201);
    assert_eq!((second["version"].clone(), names(&second)), (json!(2), vec!["echo".to_owned()]));

    let call = house.path(&format!("/sessions/{}/tool-calls", text(&session["id"])));
    let sum = json!({ "tool": "add", "arguments": { "a": 1, "b": 2 } });
    let answer = house.post(&call, &text(&session["token"]), sum.clone()).await.expect(200);
    assert_eq!(answer["result"]["structuredContent"]["sum"], 3);
    let newer = house.session(&loadout).await;
    assert_eq!((&session["loadout_version"], &newer["loadout_version"]), (&json!(1), &json!(2)));
    let call = house.path(&format!("/sessions/{}/tool-calls", text(&newer["id"])));
    let refused = house.post(&call, &text(&newer["token"]), sum).await;
    assert_eq!(refused.problem(403), "tool.not_in_loadout");
}

async fn changed_tool_is_shown_until_a_new_version_accepts_it(house: TestHouse) {
    let upstream = Upstream::modern().await;
    let server = house.tool_server("Wiki", upstream.url()).await;
    let loadout = house.loadout(&server, &["echo", "add"]).await;
    let session = house.session(&loadout).await;
    let diff = house.path(&format!("/loadouts/{loadout}/diff"));
    assert_eq!(house.get(&diff, &house.key).await.expect(200)["tools"], json!([]));

    upstream.drift("Says something else").await;
    let refresh = house.path(&format!("/tool-servers/{server}/refresh-tools"));
    house.post(&refresh, &house.key, json!({})).await.expect(200);
    let shown = house.get(&diff, &house.key).await.expect(200);
    assert_eq!(shown["tools"].as_array().unwrap().len(), 1);
    let echo = &shown["tools"][0];
    assert_eq!((&echo["name"], &echo["change"]), (&json!("echo"), &json!("redefined")));
    assert_eq!(echo["pinned"]["definition"]["description"], "Says back what it was told");
    assert_eq!(echo["current"]["definition"]["description"], "Says something else");

    let call = house.path(&format!("/sessions/{}/tool-calls", text(&session["id"])));
    let say = json!({ "tool": "echo", "arguments": { "text": "hello" } });
    let refused = house.post(&call, &text(&session["token"]), say).await;
    assert_eq!(refused.problem(403), "tool.changed");

    let body = json!({ "tools": [tool(&server, "echo"), tool(&server, "add")] });
    house.post(&house.path(&format!("/loadouts/{loadout}/versions")), &house.key, body).await.expect(201);
    assert_eq!(house.get(&diff, &house.key).await.expect(200)["tools"], json!([]));
    let first = house.get(&format!("{diff}?version=1"), &house.key).await.expect(200);
    assert_eq!(first["tools"][0]["name"], "echo");
    assert_eq!(house.get(&format!("{diff}?version=7"), &house.key).await.problem(404), "not_found");
}

async fn tool_that_no_server_offers_is_refused(house: TestHouse) {
    let server = house.tool_server("Wiki", upstream().await.url()).await;
    let nobody = uuid::Uuid::now_v7().to_string();
    let wanted = |tool: Value| json!({ "name": "x", "tools": [tool] });
    let named = |name: &str| json!({ "tool_server_id": server, "tool": "echo", "as": name });
    let cases = [
        (wanted(tool(&server, "nothing")), 409, "loadout.unknown_tool"),
        (wanted(tool(&nobody, "echo")), 404, "not_found"),
        (wanted(named("two words")), 400, "loadout.tool_name"),
        (wanted(named("")), 400, "loadout.tool_name"),
        (json!({ "name": "x", "tools": [named("same"), named("same")] }), 400, "loadout.tool_name"),
        (json!({ "name": "x", "tools": [] }), 400, "loadout.how_many"),
        (json!({ "name": "x", "tools": vec![tool(&server, "echo"); 501] }), 400, "loadout.how_many"),
        (json!({ "name": "", "tools": [tool(&server, "echo")] }), 400, "loadout.name"),
    ];
    for (body, status, code) in cases {
        let refused = house.post(&house.path("/loadouts"), &house.key, body.clone()).await;
        assert_eq!(refused.problem(status), code, "{body}");
    }
}

async fn removed_loadout_ends_its_sessions(house: TestHouse) {
    let server = house.tool_server("Wiki", upstream().await.url()).await;
    let loadout = house.loadout(&server, &["echo"]).await;
    let session = house.session(&loadout).await;
    let path = house.path(&format!("/loadouts/{loadout}"));
    let removed = house.ask(Method::DELETE, &path, &house.key, None, &[]).await.expect(200);
    assert_eq!(removed["status"], "removed");
    house.ask(Method::DELETE, &path, &house.key, None, &[]).await.expect(200);

    let read = house.get(&house.path(&format!("/sessions/{}", text(&session["id"]))), &house.key).await;
    let read = read.expect(200);
    assert_eq!((&read["status"], &read["ended_because"]), (&json!("ended"), &json!("loadout_removed")));
    let call = house.path(&format!("/sessions/{}/tool-calls", text(&session["id"])));
    let refused = house.post(&call, &text(&session["token"]), json!({ "tool": "echo" })).await;
    assert_eq!(refused.problem(403), "session.ended");
    let another = house.post(&house.path("/sessions"), &house.key, json!({ "loadout_id": loadout })).await;
    assert_eq!(another.problem(409), "loadout.removed");
    let removed = house.path(&format!("/loadouts?status=removed&min_position={}", removed["position"]));
    assert_eq!(ids(&house.get(&removed, &house.key).await.expect(200)), [loadout]);
}
