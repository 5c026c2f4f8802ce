//! Bots as their operator and their programs meet them: the command line, HTTP and sockets of the real program, on
//! both stores; and what ends them, on every node.

use std::{net::SocketAddr, path::Path};

use chorus::{
    cluster::{Bus, Envelope, Heard, Incarnation, Notice, local::Faults},
    domain::{RoomName, Scope, Username},
    store::Bots,
};
use futures_util::{SinkExt, StreamExt};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest},
};

use crate::{
    common::{
        Client, LIMIT, Town,
        program::{JWT_SECRET, Program, run},
        web::Web,
    },
    servers::postgres::Postgres,
};

/// The operator's commands beside a running node.
struct Operator<'a> {
    dir: &'a Path,
    settings: Vec<(&'a str, &'a str)>,
}

impl Operator<'_> {
    /// Exit code, standard output and standard error of `chorus token …`.
    async fn token(&self, args: &[&str]) -> (Option<i32>, String, String) {
        let args: Vec<_> = ["token"].iter().chain(args).copied().collect();
        let ended = run(self.dir, &self.settings, &args, "").await;
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().trim().to_owned();
        (ended.status.code(), text(ended.stdout), text(ended.stderr))
    }

    /// Makes a token for `adder`.
    async fn create(&self, args: &[&str]) -> String {
        let args: Vec<_> = ["create", "adder"].iter().chain(args).copied().collect();
        let (code, token, said) = self.token(&args).await;
        assert_eq!(code, Some(0), "{said}");
        assert!(
            token.starts_with("chorus_") && !token.contains(char::is_whitespace),
            "nothing but the token"
        );
        assert!(!said.contains(&token));
        token
    }
}

async fn refused(bot: &mut Client, frame: Value) -> Value {
    bot.send(frame).await;
    bot.expect("error").await["code"].clone()
}

/// What a bot does with its token over HTTP and on a socket.
async fn it_speaks(web: &Web, token: &str) -> Client {
    let said = web.post("/rooms/lobby/messages", token, json!({ "message": "over HTTP" })).await;
    assert_eq!(said.status, 201, "{said:?}");
    assert_eq!(
        web.get("/rooms/lobby/messages", token).await.body["messages"][0]["username"],
        "adder"
    );
    assert_eq!(web.get("/rooms/lobby/users", token).await.status, 200);
    let mut bot = web.guest(token).await;
    bot.say_acked("lobby", "b1", "on a socket").await;
    assert_eq!(refused(&mut bot, json!({ "type": "join", "room": "ops" })).await, "forbidden");
    assert_eq!(web.get("/rooms/ops", token).await.refusal(), (403, "forbidden"));
    assert_eq!(web.get("/me", token).await.refusal(), (403, "forbidden"));
    assert_eq!(
        web.refused(&format!("/ws?token={token}"), &[]).await.0,
        401,
        "never from an address"
    );
    // A ticket opens the same, and nothing more.
    let mut other = Client::knock(web.address, &format!("/ws?ticket={}", web.ticket(token, "").await), &[])
        .await
        .unwrap();
    assert_eq!(refused(&mut other, json!({ "type": "join", "room": "ops" })).await, "forbidden");
    other.join("lobby").await;
    other.send(json!({ "type": "renew", "ticket": web.ticket(token, "").await })).await;
    assert_eq!(other.expect("renewed").await["expiresAt"], bot.welcome["expiresAt"]);
    bot
}

/// From the first command to the last, with these settings.
async fn a_life(dir: &Path, settings: &[(&str, &str)]) {
    let (program, address, metrics) = Program::start(dir, settings).await;
    let (web, port) = (Web::of(address), metrics.port().to_string());
    let operator = Operator {
        dir,
        settings: [settings, &[("METRICS_PORT", port.as_str())]].concat(),
    };
    let alice = web.sign_in("alice").await;
    assert_eq!(web.post("/rooms", &alice, json!({ "room": "ops" })).await.status, 201);
    let mut people = web.guest(&alice).await;

    let token = operator.create(&["--room", "lobby", "--read", "--write", "--days", "30"]).await;
    let reader = operator.create(&["--room", "ops", "--room", "lobby", "--read"]).await;
    let mut bot = it_speaks(&web, &token).await;
    people.until_seq("lobby", 2).await;
    assert_eq!(bot.welcome["username"], "adder");
    assert_eq!(bot.welcome["limits"]["messages"], 50, "a limit of its own");
    let mut listening = web.guest(&reader).await;
    let said = json!({ "type": "message", "room": "lobby", "id": "r1", "message": "no" });
    assert_eq!(refused(&mut listening, said).await, "forbidden");

    let (_, listed, _) = operator.token(&["list"]).await;
    assert_eq!(listed.lines().count(), 3, "two under the columns' names: {listed}");
    assert!(!listed.contains("chorus_"), "{listed}");
    let id = listed
        .lines()
        .find(|line| line.contains("read+write"))
        .unwrap()
        .split(' ')
        .next()
        .unwrap();
    assert_eq!(operator.token(&["revoke", "adder", "--id", id]).await.0, Some(0));
    assert_eq!(bot.closed().await, 4001);
    assert_eq!(web.get("/rooms/lobby", &token).await.refusal(), (401, "unauthorized"));
    assert_eq!(
        web.refused("/ws", &[("Authorization", &format!("Bearer {token}"))]).await.0,
        401
    );
    assert_eq!(web.get("/rooms/ops", &reader).await.status, 200, "the other one lives");
    assert_eq!(operator.token(&["revoke", "adder"]).await.0, Some(0));
    assert_eq!(listening.closed().await, 4001);
    assert_eq!(operator.token(&["revoke", "adder"]).await.0, Some(1));
    assert_eq!(operator.token(&["list"]).await.1, "There are no tokens.");
    assert_eq!(
        operator.token(&["create", "alice", "--room", "lobby", "--read"]).await.0,
        Some(1),
        "a person"
    );
    assert_eq!(
        operator.token(&["create", "adder", "--room", "nowhere", "--read"]).await.0,
        Some(1)
    );

    program.terminate().await;
    let (code, log) = program.ended().await;
    assert_eq!(code, Some(0), "{log}");
    for secret in [&token, &reader] {
        assert!(!log.contains(&secret[7..]), "a token is in the log");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_lives_by_its_token_on_the_embedded_database() {
    let dir = tempfile::tempdir().unwrap();
    a_life(dir.path(), &[("LOG_LEVEL", "trace")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_lives_by_its_token_on_a_server() {
    let server = Postgres::start();
    let url = server.url(&server.create_database(None));
    let dir = tempfile::tempdir().unwrap();
    let settings = [
        ("LOG_LEVEL", "trace"),
        ("DATABASE_URL", url.as_str()),
        ("JWT_SECRET", JWT_SECRET),
    ];
    a_life(dir.path(), &settings).await;
}

#[tokio::test]
async fn tokens_are_made_while_no_node_runs() {
    let dir = tempfile::tempdir().unwrap();
    let operator = Operator { dir: dir.path(), settings: vec![] };
    let token = operator.create(&["--room", "lobby", "--read", "--write"]).await;
    let (_program, address, _) = Program::start(dir.path(), &[]).await;
    let mut bot = Web::of(address).guest(&token).await;
    bot.say_acked("lobby", "b1", "good morning").await;
}

/// A token for a room, made by the first node.
async fn token(town: &Town, room: &str, write: bool) -> String {
    let scope = Scope::new(vec![RoomName::parse(room).unwrap()], true, write).unwrap();
    let made = town.nodes[0].auth().admin_add_token(&adder(), scope, Some(1)).await.unwrap();
    made.token.expose_secret().to_owned()
}

fn adder() -> Username {
    Username::parse("adder").unwrap()
}

async fn a_revoked_token_has_no_socket_anywhere(town: Town) {
    let token = token(&town, "lobby", true).await;
    let (mut here, mut there) = (town.client(0, &token).await, town.client(1, &token).await);
    let mut other = town.guest(1, "bob").await;
    assert_eq!(town.nodes[0].auth().admin_revoke(&adder(), None).await.unwrap(), 1);
    assert_eq!(here.closed().await, 4001);
    assert_eq!(there.closed().await, 4001);
    assert!(Client::try_open(town.nodes[1].address, &token).await.is_err());
    other.say_acked("lobby", "still", "here").await;
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_closes_its_sockets_on_every_node() {
    a_revoked_token_has_no_socket_anywhere(Town::of(2).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_is_rung_and_whoever_hears_of_an_end_asks_no_store() {
    let town = Town::of(2).await;
    let (wire, auth) = (town.bystander(), town.nodes[0].auth());
    let mut heard = wire.listen().unwrap();
    let scope = Scope::new(vec![RoomName::parse("lobby").unwrap()], true, true).unwrap();
    let make = async || auth.admin_add_token(&adder(), scope.clone(), Some(1)).await.unwrap();
    let revoked = make().await;
    assert_eq!(auth.admin_revoke(&adder(), None).await.unwrap(), 1);
    let ends = |notice: &Notice, ended| matches!(notice, Notice::SignInEnded(sid) if *sid == ended);
    let rung = async {
        while let Some(heard) = heard.recv().await {
            if matches!(heard, Heard::Said(said) if ends(&said.notice, revoked.sid)) {
                return;
            }
        }
    };
    timeout(LIMIT, rung).await.expect("the others are told");

    // An end that is in no database: whoever closes this socket can have heard of it only on the bus.
    let told = make().await;
    let mut there = town.client(1, told.token.expose_secret()).await;
    let from = Incarnation::random();
    wire.publish(Envelope { from, notice: Notice::SignInEnded(told.sid) }).await.unwrap();
    assert_eq!(there.closed().await, 4001);
    let valid: Vec<_> = town.store.bot_tokens(10).await.unwrap().iter().map(|token| token.sid).collect();
    assert_eq!(valid, [told.sid], "the database knows nothing of it");
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_closes_its_sockets_when_the_bus_lost_it() {
    a_revoked_token_has_no_socket_anywhere(Town::faulty(2, Faults { lost: 100, ..Faults::default() }).await)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_may_show_sockets_few_tokens_that_are_none() {
    let town = Town::of(1).await;
    let known = token(&town, "lobby", true).await;
    drop(town.client(0, &known).await);
    let web = Web::of(town.nodes[0].address);
    let guess = format!("Bearer chorus_{}", "A".repeat(64));
    let shows = async |token: &str| web.refused("/ws", &[("Authorization", token)]).await;
    for _ in 0..10 {
        assert_eq!(shows(&guess).await.0, 401);
    }
    let (status, code, wait) = shows(&guess).await;
    assert_eq!((status, code.as_str()), (429, "rate_limited"));
    assert!((1..=60).contains(&wait.parse::<u64>().unwrap()), "{wait}");
    drop(town.client(0, &known).await);
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_that_goes_on_asking_beyond_its_token_is_closed() {
    let town = Town::of(1).await;
    let token = token(&town, "lobby", true).await;
    let mut bot = town.client(0, &token).await;
    let beyond = json!({ "type": "users", "room": "ops" });
    let closed = async {
        while bot.try_send(&beyond).await.is_ok() {
            match bot.try_next().await {
                Ok(frame) => assert_eq!(frame["code"], "forbidden"),
                Err(_) => break,
            }
        }
    };
    timeout(LIMIT, closed).await.expect("in time");
    town.stop().await;
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A socket without a subprotocol: it speaks the predecessor's dialect.
async fn seed_socket(node: SocketAddr, token: &str) -> Socket {
    let mut request = format!("ws://{node}/ws").into_client_request().unwrap();
    request.headers_mut().insert("Authorization", format!("Bearer {token}").parse().unwrap());
    timeout(LIMIT, connect_async(request)).await.expect("in time").unwrap().0
}

/// The next frame of this type, or how the socket closed.
async fn next(socket: &mut Socket, kind: &str) -> Result<Value, u16> {
    loop {
        match timeout(LIMIT, socket.next()).await.expect("in time").unwrap().unwrap() {
            Message::Text(text) => {
                let frame: Value = serde_json::from_str(&text).unwrap();
                if frame["type"] == kind {
                    return Ok(frame);
                }
            }
            Message::Close(frame) => return Err(frame.expect("a close code").code.into()),
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_bot_speaks_the_predecessors_dialect_within_its_token_too() {
    let town = Town::of(1).await;
    let alice = town.sign_in("alice").await;
    let web = Web::of(town.nodes[0].address);
    assert_eq!(web.post("/rooms", &alice, json!({ "room": "ops" })).await.status, 201);
    let said = Message::text(json!({ "type": "chat", "message": "Hello" }).to_string());

    let mut both = seed_socket(web.address, &token(&town, "lobby", true).await).await;
    next(&mut both, "userList").await.unwrap();
    both.send(said.clone()).await.unwrap();
    assert_eq!(next(&mut both, "message").await.unwrap()["username"], "adder");

    let mut reader = seed_socket(web.address, &token(&town, "lobby", false).await).await;
    next(&mut reader, "userList").await.unwrap();
    reader.send(said).await.unwrap();
    next(&mut reader, "error").await.unwrap();

    let mut elsewhere = seed_socket(web.address, &token(&town, "ops", true).await).await;
    assert_eq!(next(&mut elsewhere, "userList").await, Err(1008));
    town.stop().await;
}
