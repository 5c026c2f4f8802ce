//! What an operator sees and does from any one node holds for all of them, whatever carries or does
//! not carry between them, and whichever node has died meanwhile.

use std::{collections::BTreeSet, time::Instant};

use chorus::{
    cluster::{
        Bus, Envelope, Incarnation, Notice,
        inquiry::{Question, Request, Wanted},
        redis::{RedisCluster, RedisOptions},
    },
    shutdown::Tasks,
};
use futures_util::{StreamExt, future::join_all};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::{connect_async, tungstenite::client::IntoClientRequest};

use crate::{
    NODES,
    common::{LIMIT, eventually, program::run, web::Web},
    harness::{
        line::Socket,
        scene::{Cluster, Setup},
    },
};

const ADMIN_TOKEN: &str = "an operator's token of more than 32 bytes";

/// `chorus admin`, from a machine that has nothing but the token: what it prints.
pub(crate) async fn admin(cluster: &Cluster, node: usize, args: &[&str]) -> String {
    let elsewhere = tempfile::tempdir().unwrap();
    let url = format!("http://{}", cluster.nodes[node].metrics());
    let args: Vec<_> = ["admin", "--node", &url].iter().chain(args).copied().collect();
    let output = run(elsewhere.path(), &[("ADMIN_TOKEN", ADMIN_TOKEN)], &args, "").await;
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The same, for a program.
pub(crate) async fn json(cluster: &Cluster, node: usize, args: &[&str]) -> Value {
    let args: Vec<_> = args.iter().chain(&["--json"]).copied().collect();
    serde_json::from_str(&admin(cluster, node, &args).await).unwrap()
}

/// Nodes that know each other.
pub(crate) async fn acquainted(setup: Setup) -> Cluster {
    let cluster = setup.with("ADMIN_TOKEN", ADMIN_TOKEN).start().await;
    eventually("each node knows the others", async || {
        for node in 0..cluster.nodes.len() {
            let seen = json(&cluster, node, &["cluster"]).await;
            if states(&seen).iter().filter(|(_, state)| state == "ready").count() < cluster.nodes.len() {
                return false;
            }
        }
        true
    })
    .await;
    cluster
}

/// Every node's name and state, as the answer has them.
fn states(seen: &Value) -> Vec<(String, String)> {
    let peers = seen["peers"].as_array().unwrap().iter();
    peers
        .chain([&seen["node"]])
        .map(|member| {
            let state = match &member["state"] {
                Value::Null if member["dead"] == true => "dead".to_owned(),
                Value::Null => "silent".to_owned(),
                state if state["causes"] == json!([]) => "ready".to_owned(),
                state => state["causes"].to_string(),
            };
            (member["name"].as_str().unwrap().to_owned(), state)
        })
        .collect()
}

/// A socket of the predecessor's dialect.
async fn old_page(cluster: &Cluster, node: usize, name: &str) -> Socket {
    let token = cluster.web(node).sign_in(name).await;
    let mut request = format!("ws://{}/ws", cluster.nodes[node].address()).into_client_request().unwrap();
    request.headers_mut().insert("Authorization", format!("Bearer {token}").parse().unwrap());
    connect_async(request).await.unwrap().0
}

/// What the operator said, as this socket heard it.
async fn heard(page: &mut Socket, text: &str) {
    let hear = async {
        while let Some(Ok(message)) = page.next().await {
            if message
                .to_text()
                .is_ok_and(|frame| frame.contains("announcement") && frame.contains(text))
            {
                return true;
            }
        }
        false
    };
    assert!(timeout(LIMIT, hear).await.expect("in time"));
}

#[tokio::test(flavor = "multi_thread")]
async fn any_node_tells_who_is_connected_and_speaks_to_all() {
    let cluster = acquainted(Setup::of(NODES)).await;
    let (mut alice, mut elsewhere) = (cluster.guest(0, "alice").await, cluster.guest(1, "alice").await);
    let (mut bob, mut page) = (cluster.guest(2, "bob").await, old_page(&cluster, 1, "oldpage").await);
    let room = cluster
        .web(0)
        .post("/rooms", &cluster.web(0).login("bob").await, json!({ "room": "tea" }))
        .await;
    assert_eq!(room.status, 201);
    elsewhere.join("tea").await;

    // Pages of one chain to the whole, by name.
    let (mut names, mut nodes, mut after) = (Vec::new(), BTreeSet::new(), String::new());
    while names.len() < 10 {
        let found = json(&cluster, 2, &["connections", "--limit", "1", "--after", &after]).await;
        for socket in found["connections"].as_array().unwrap() {
            names.push(socket["username"].as_str().unwrap().to_owned());
            nodes.insert(socket["node"].as_str().unwrap().to_owned());
        }
        let Some(next) = found["next"].as_str() else { break };
        next.clone_into(&mut after);
    }
    assert_eq!(
        (names, nodes.len()),
        (["alice", "alice", "bob", "oldpage"].map(str::to_owned).to_vec(), NODES)
    );
    let found = json(&cluster, 0, &["connections", "--room", "tea"]).await;
    assert_eq!(found["connections"].as_array().unwrap().len(), 1, "{found}");
    assert_eq!(found["connections"][0]["rooms"], json!(["lobby", "tea"]));
    assert_eq!(found["silent"], json!([]));

    let told = admin(&cluster, 2, &["announce", "Back at noon"]).await;
    assert_eq!(told.trim(), "Said to 4 sockets on 3 nodes.");
    for client in [&mut alice, &mut elsewhere, &mut bob] {
        assert_eq!(client.expect("announcement").await["message"], "Back at noon");
    }
    heard(&mut page, "Back at noon").await;
    let told = admin(&cluster, 2, &["announce", "The kettle is on", "--room", "tea"]).await;
    assert_eq!(told.trim(), "Said to 1 socket on 3 nodes.");
    assert_eq!(elsewhere.expect("announcement").await["message"], "The kettle is on");
    admin(&cluster, 0, &["announce", "Good night"]).await;
    for client in [&mut alice, &mut bob] {
        assert_eq!(
            client.expect("announcement").await["message"],
            "Good night",
            "they are not in that room"
        );
    }

    assert!(admin(&cluster, 2, &["sign-out", "ALICE"]).await.starts_with("ALICE: 2 sign-ins ended"));
    assert_eq!((alice.closed().await, elsewhere.closed().await), (4001, 4001));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_killed_is_silent_then_dead_and_holds_up_nothing() {
    let mut cluster = acquainted(Setup::of(NODES)).await;
    let mut alice = cluster.guest(0, "alice").await;
    let name = states(&json(&cluster, 2, &["cluster"]).await).pop().unwrap().0;
    cluster.nodes[2].kill().await;
    let began = Instant::now();
    let done = json(&cluster, 0, &["announce", "One is gone"]).await;
    assert_eq!(alice.expect("announcement").await["message"], "One is gone");
    assert!(began.elapsed() < LIMIT / 4, "{:?}", began.elapsed());
    assert_eq!(done["nodes"].as_array().unwrap().len(), 2, "{done}");
    assert_eq!(done["silent"], json!([name]));
    eventually("it is dead for the others", async || {
        let seen = states(&json(&cluster, 0, &["cluster"]).await);
        seen.contains(&(name.clone(), "dead".to_owned()))
    })
    .await;
    assert_eq!(
        json(&cluster, 0, &["announce", "Good night"]).await["silent"],
        json!([]),
        "nobody waits for it"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_a_node_says_so_and_still_serves_its_operator() {
    let cluster = acquainted(Setup::of(2)).await;
    let mut alice = cluster.guest(0, "alice").await;
    cluster.redis().kill();
    eventually("it says that the bus is lost", async || {
        let seen = json(&cluster, 0, &["cluster"]).await;
        seen["node"]["state"]["bus"]["reached"] == json!(false)
    })
    .await;
    let done = json(&cluster, 0, &["announce", "Only here"]).await;
    assert_eq!(
        (&done["nodes"][0]["sockets"], done["silent"].as_array().unwrap().len()),
        (&json!(1), 1)
    );
    assert_eq!(alice.expect("announcement").await["message"], "Only here");
}

/// More than there may be questions open, or deeds under way.
const MANY: usize = 40;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_beyond_what_may_be_open_is_answered_and_what_is_to_be_done_is_refused() {
    let cluster = acquainted(Setup::of(2)).await;
    let mut alice = cluster.guest(0, "alice").await;
    // It lives and says nothing, so that every question stays open for as long as it may.
    cluster.nodes[1].freeze().await;
    let operator = Web::of(cluster.nodes[0].metrics());
    let words: Vec<String> = (0..MANY).map(|n| format!("the {n}th")).collect();
    let says = words
        .iter()
        .map(|text| operator.post("/admin/announce", ADMIN_TOKEN, json!({ "message": text })));
    let mut said = BTreeSet::new();
    for (text, answer) in words.iter().zip(join_all(says).await) {
        match answer.refusal() {
            (200, _) => drop(said.insert(text.clone())),
            (503, "unavailable") => assert_eq!(answer.header("retry-after"), "2"),
            _ => panic!("{answer:?}"),
        }
    }
    assert!(!said.is_empty() && said.len() < MANY, "{}", said.len());
    // Afterwards, for nobody waits for it any more once it counts as dead, and it may by then.
    let looks = (0..MANY).map(|_| operator.get("/admin/cluster", ADMIN_TOKEN));
    for seen in join_all(looks).await {
        assert_eq!(seen.status, 200);
        let peers = seen.body["peers"].as_array().unwrap();
        assert_eq!((peers.len(), &peers[0]["state"]), (1, &Value::Null), "it is named and silent");
    }
    cluster.nodes[1].thaw().await;
    eventually("the last one can be said", async || {
        let last = json!({ "message": "the end" });
        operator.post("/admin/announce", ADMIN_TOKEN, last).await.status == 200
    })
    .await;
    let mut heard = BTreeSet::new();
    loop {
        let text = alice.expect("announcement").await["message"].as_str().unwrap().to_owned();
        if text == "the end" {
            break;
        }
        assert!(heard.insert(text), "nothing is said twice");
    }
    assert_eq!(heard, said, "what was refused was said to nobody");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_questions_is_dropped_and_counted_and_the_next_one_is_answered() {
    let cluster = acquainted(Setup::of(2)).await;
    let tasks = Tasks::new();
    let chat = "SELECT applied_on FROM refinery_schema_history ORDER BY version LIMIT 1";
    let chat = cluster.postgres.sql(&cluster.database, chat);
    let options = RedisOptions::new(cluster.redis().url().into(), chat.trim().to_owned());
    let wire = RedisCluster::open(&options, &tasks).await.unwrap();
    let dropped = async || cluster.nodes[0].metric("chorus_drops_total{cause=\"desk_queue\"}").await;
    assert!(dropped().await.abs() < 0.5, "nothing was dropped yet");
    let from = Incarnation::random();
    // To answer who is in a room takes longer than to hear the question, for the room is asked. How much longer is the
    // machine's affair: more are asked until one did not fit.
    eventually("what does not fit is dropped", async || {
        // All at once, as they come after a pause.
        cluster.nodes[0].freeze().await;
        for _ in 0..10 {
            let questions = (0..300).map(|_| {
                let wanted = Wanted { room: Some(1), limit: 1, ..Wanted::default() };
                let what = Request::Sockets(wanted);
                let notice = Notice::Asked(Question { id: uuid::Uuid::new_v4(), what });
                wire.publish(Envelope { from, notice })
            });
            for rung in join_all(questions).await {
                rung.unwrap();
            }
        }
        cluster.nodes[0].thaw().await;
        dropped().await > 0.0
    })
    .await;
    eventually("it is asked and answers", async || {
        let seen = states(&json(&cluster, 1, &["cluster"]).await);
        seen.iter().filter(|(_, state)| state == "ready").count() == 2
    })
    .await;
    tasks.stop();
}
