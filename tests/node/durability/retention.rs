//! `RETENTION_DAYS` on the embedded store: what is old goes, at the start and while the node runs; without
//! the setting everything stays.

use std::path::Path;

use rusqlite::Connection;
use serde_json::json;

use crate::common::{eventually, program::Program, web::Web};

const TWO_DAYS: i64 = 2 * 24 * 3_600_000;

/// Says so many things and ends; all but the last two are then two days old.
async fn talked(dir: &Path, count: usize) -> String {
    let (program, address, _) = Program::start(dir, &[]).await;
    let web = Web::of(address);
    let token = web.sign_in("alice").await;
    for n in 0..count {
        let said = json!({ "id": format!("a{n}"), "message": "hello" });
        assert_eq!(web.post("/rooms/lobby/messages", &token, said).await.status, 201);
    }
    program.terminate().await;
    assert_eq!(program.ended().await.0, Some(0));
    let data = Connection::open(dir.join("chorus.db")).unwrap();
    data.execute(
        "UPDATE messages SET ts = ts - ?1 WHERE seq <= (SELECT max(seq) FROM messages) - 2",
        [TWO_DAYS],
    )
    .unwrap();
    token
}

async fn kept(web: &Web, token: &str) -> Vec<u64> {
    let page = web.get("/rooms/lobby/messages?limit=200", token).await.body;
    assert_eq!(page["hasMore"], false);
    page["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|said| said["seq"].as_u64().unwrap())
        .collect()
}

#[tokio::test]
async fn what_is_older_is_deleted_only_where_that_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let token = talked(dir.path(), 10).await;
    let (program, address, _) = Program::start(dir.path(), &[]).await;
    assert_eq!(kept(&Web::of(address), &token).await, (1..=10).collect::<Vec<_>>());
    program.kill().await;

    let (_program, address, metrics) = Program::start(dir.path(), &[("RETENTION_DAYS", "1")]).await;
    let web = Web::of(address);
    eventually("they are deleted", async || kept(&web, &token).await == [8, 9, 10]).await;
    assert_eq!(web.get("/ready", "").await.status, 200);
    let counted = Web::of(metrics).request(reqwest::Method::GET, "/metrics", "").send().await.unwrap();
    let counted = counted.text().await.unwrap();
    assert!(counted.contains("chorus_expired_events_total 7"), "{counted}");
    let mut alice = web.guest(&token).await;
    let next = alice.say_acked("lobby", "next", "hello").await;
    assert_eq!(next["seq"], 11, "numbers go on");
}
