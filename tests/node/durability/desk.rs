//! `chorus admin`: the operator's desk of a node alone, from the command line and over HTTP.

use std::{net::SocketAddr, path::Path, process::Output};

use serde_json::{Value, json};

use crate::common::{
    program::{Program, run},
    web::Web,
};

const ADMIN_TOKEN: &str = "an operator's token of more than 32 bytes";

/// What a command printed, and how it ended.
fn printed(output: &Output) -> (Option<i32>, String) {
    let text = [&output.stdout[..], &output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

async fn admin(dir: &Path, metrics: SocketAddr, args: &[&str]) -> (Option<i32>, String) {
    let port = metrics.port().to_string();
    let args: Vec<_> = ["admin"].iter().chain(args).copied().collect();
    printed(&run(dir, &[("METRICS_PORT", &port)], &args, "").await)
}

#[tokio::test]
async fn an_operator_sees_and_steers_the_node_on_this_machine() {
    let dir = tempfile::tempdir().unwrap();
    let (program, address, metrics) = Program::start(dir.path(), &[]).await;
    let web = Web::of(address);
    let (token, cookie) = {
        web.register("Alice").await;
        web.remembered("Alice").await
    };
    let (mut alice, mut bob) = (web.guest(&token).await, web.guest(&web.sign_in("bob").await).await);

    let (code, table) = admin(dir.path(), metrics, &["cluster"]).await;
    assert_eq!(code, Some(0), "{table}");
    let lines: Vec<&str> = table.lines().collect();
    assert!(
        lines[0].starts_with("NODE") && lines[1].contains(&format!(":{}", address.port())),
        "{table}"
    );
    assert!(lines[1].contains("ready"), "{table}");
    let (_, json) = admin(dir.path(), metrics, &["cluster", "--json"]).await;
    let seen: Value = serde_json::from_str(&json).unwrap();
    let state = &seen["node"]["state"];
    assert_eq!(
        (&state["sockets"], &state["people"], &state["rooms"]),
        (&json!(2), &json!(2), &json!(1))
    );
    assert_eq!((&state["bus"], &seen["peers"]), (&Value::Null, &json!([])), "it is alone");

    let (_, table) = admin(dir.path(), metrics, &["connections"]).await;
    let people: Vec<_> = table.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(people, ["Alice", "bob"], "{table}");
    let (code, json) = admin(dir.path(), metrics, &["connections", "--json", "--user", "ALICE"]).await;
    assert_eq!(code, Some(0), "{json}");
    let page: Value = serde_json::from_str(&json).unwrap();
    let hers = &page["connections"][0];
    assert_eq!(
        (&hers["username"], &hers["rooms"], &hers["address"], &hers["dialect"]),
        (&json!("Alice"), &json!(["lobby"]), &json!("127.0.0.1"), &json!("v1"))
    );
    let (code, told) = admin(dir.path(), metrics, &["connections", "--room", "nowhere"]).await;
    assert_eq!((code, told.trim()), (Some(1), "chorus: There is no room of this name."));

    let (code, told) = admin(dir.path(), metrics, &["announce", "Tea <now>"]).await;
    assert_eq!((code, told.trim()), (Some(0), "Said to 2 sockets on 1 node."));
    for client in [&mut alice, &mut bob] {
        assert_eq!(client.expect("announcement").await["message"], "Tea <now>");
    }
    assert_eq!(
        admin(dir.path(), metrics, &["announce", " "]).await.0,
        Some(1),
        "nothing to say"
    );

    let (code, told) = admin(dir.path(), metrics, &["sign-out", "alice"]).await;
    assert_eq!((code, told.contains("1 sign-in ended")), (Some(0), true), "{told}");
    assert_eq!(alice.closed().await, 4001);
    let origin = format!("http://{address}");
    assert_eq!(web.by_cookie(&origin, &cookie).await.status, 401, "her browser forgets her");
    let (code, told) = admin(dir.path(), metrics, &["sign-out", "nobody"]).await;
    assert_eq!((code, told.trim()), (Some(1), "chorus: Nobody has this name."));

    let (code, told) = admin(dir.path(), metrics, &["rebalance"]).await;
    assert_eq!((code, told.starts_with("Nobody is to move")), (Some(0), true), "{told}");
    let (code, told) = admin(dir.path(), metrics, &["drain"]).await;
    assert_eq!(code, Some(0), "{told}");
    bob.expect("reconnect").await;
    assert_eq!(program.ended().await.0, Some(0), "as after SIGTERM");
    assert_eq!(bob.closed().await, 1001);
}

#[tokio::test]
async fn without_a_node_sign_ins_end_in_the_data_and_the_rest_says_that_there_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let (program, address, metrics) = Program::start(dir.path(), &[]).await;
    let token = Web::of(address).sign_in("alice").await;
    program.kill().await;
    let (code, json) = admin(dir.path(), metrics, &["sign-out", "alice", "--json"]).await;
    assert_eq!((code, json.trim()), (Some(0), r#"{"username":"alice","signIns":1}"#));
    for what in [
        &["cluster"][..],
        &["connections"],
        &["announce", "Tea"],
        &["drain"],
        &["rebalance"],
    ] {
        let (code, told) = admin(dir.path(), metrics, what).await;
        let sentence = format!("chorus: no node answers at {metrics}:");
        assert_eq!(
            (code, told.starts_with(&sentence), told.lines().count()),
            (Some(1), true, 1),
            "{told}"
        );
    }
    assert_eq!(
        admin(dir.path(), metrics, &["rebalance", "--window", "0"]).await.0,
        Some(2),
        "misuse"
    );
    let (_program, address, _) = Program::start(dir.path(), &[]).await;
    assert_eq!(Web::of(address).get("/me", &token).await.status, 401);
}

#[tokio::test]
async fn a_token_lets_operators_in_and_guesses_are_few_and_never_logged() {
    let dir = tempfile::tempdir().unwrap();
    let (program, _, metrics) = Program::start(dir.path(), &[("ADMIN_TOKEN", ADMIN_TOKEN)]).await;
    let url = format!("http://{metrics}");
    let elsewhere = tempfile::tempdir().unwrap();
    let ask = async |token: &str| {
        let settings = [("ADMIN_TOKEN", token)];
        printed(&run(elsewhere.path(), &settings, &["admin", "cluster", "--node", &url], "").await)
    };
    let (code, table) = ask(ADMIN_TOKEN).await;
    assert_eq!((code, table.contains("ready")), (Some(0), true), "{table}");
    let web = Web::of(metrics);
    for nonsense in [
        "/admin/connections?after=nowhere",
        "/admin/connections?room=No%20Room",
    ] {
        assert_eq!(web.get(nonsense, ADMIN_TOKEN).await.status, 400, "{nonsense}");
    }
    let never = json!({ "windowSeconds": 0 });
    assert_eq!(
        web.post("/admin/rebalance", ADMIN_TOKEN, never).await.refusal(),
        (400, "invalid_request")
    );
    let guess = "a guess that is long enough to be a token";
    for _ in 0..10 {
        assert_eq!(
            ask(guess).await,
            (Some(1), "chorus: Only for operators, with their token.\n".to_owned())
        );
    }
    let answer = web.get("/admin/cluster", guess).await;
    assert_eq!(answer.refusal(), (429, "rate_limited"));
    assert!(!answer.header("retry-after").is_empty());
    let answer = web.get("/admin/cluster", ADMIN_TOKEN).await;
    assert_eq!(answer.status, 200, "whoever knows it does not wait for who guesses");
    assert_eq!(web.get("/ready", "").await.status, 200, "that is free");
    let said = program.said();
    assert!(said.contains("refused as an operator"), "{said}");
    assert!(!said.contains(guess) && !said.contains(ADMIN_TOKEN), "{said}");
}
