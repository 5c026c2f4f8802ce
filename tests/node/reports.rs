//! What leaves the machine when something fails: a report in the form that Sentry takes, received by a real
//! server, says what failed in which release and nothing of who was there or what was said.

#![allow(clippy::disallowed_methods, reason = "the receiver is a task of the test")]

use std::sync::{Arc, Mutex};

use axum::{Router, routing::post};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::common::{
    PASSWORD, eventually,
    program::{Program, command},
    web::Web,
};

/// What a Sentry received.
#[derive(Clone, Default)]
struct Sentry(Arc<Mutex<Vec<String>>>);

impl Sentry {
    /// Listens for envelopes; answers the DSN.
    async fn listen(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let dsn = format!("http://key@{}/1", listener.local_addr().unwrap());
        let envelopes = self.0.clone();
        let receive = move |body: String| async move {
            envelopes.lock().unwrap().push(body);
            "{}"
        };
        let app = Router::new().route("/api/1/envelope/", post(receive));
        tokio::spawn(async move { axum::serve(listener, app).await });
        dsn
    }

    /// The events in them: an envelope is lines of JSON, a head for each item before it.
    fn events(&self) -> Vec<Value> {
        let envelopes = self.0.lock().unwrap().clone();
        let lines = |envelope: String| {
            let lines = envelope.lines().map(|line| serde_json::from_str(line).unwrap_or_default());
            lines.filter(|line: &Value| line["platform"].is_string()).collect::<Vec<_>>()
        };
        envelopes.into_iter().flat_map(lines).collect()
    }

    /// Everything that was received.
    fn all(&self) -> String {
        self.0.lock().unwrap().join("\n")
    }
}

/// What alice brings along when she asks, and whatever else the node knows of her.
struct Alice {
    token: String,
    cookie: String,
}

const NAME: &str = "alice_in_wonderland";
const SAID: &str = "curiouser and curiouser";
const ADDRESS: &str = "203.0.113.77";

impl Alice {
    /// She has signed in, said something, and been signed out and in by an operator.
    async fn of(web: &Web, operator: &Web, key: &str) -> Self {
        web.register(NAME).await;
        let (token, _) = web.remembered(NAME).await;
        let said = web.post("/rooms/lobby/messages", &token, json!({ "id": "1", "message": SAID })).await;
        assert_eq!(said.status, 201, "{said:?}");
        let ended = operator.post("/admin/sign-outs", key, json!({ "username": NAME })).await;
        assert_eq!(ended.status, 200, "{ended:?}");
        let (token, cookie) = web.remembered(NAME).await;
        Self { token, cookie }
    }

    /// Asks for this with all that a browser and a proxy send.
    async fn asks(&self, web: &Web, path: &str) -> u16 {
        let request = web
            .request(Method::GET, path, &self.token)
            .header("Cookie", format!("chorus_session={}", self.cookie))
            .header("X-Forwarded-For", ADDRESS)
            .header("Referer", format!("http://{NAME}.example/"));
        web.ask(request).await.status
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_says_what_failed_in_which_release_and_nothing_of_who_was_there() {
    let sentry = Sentry::default();
    let dsn = sentry.listen().await;
    let dir = tempfile::tempdir().unwrap();
    let settings = [("SENTRY_DSN", dsn.as_str()), ("NODE_ENV", "test")];
    let (node, address, metrics) = Program::start(dir.path(), &settings).await;
    let (web, operator) = (Web::of(address), Web::of(metrics));
    let key = std::fs::read_to_string(dir.path().join("admin_token")).unwrap();
    let alice = Alice::of(&web, &operator, key.trim()).await;
    let query = format!("token={}&said={}", alice.token, SAID.replace(' ', "+"));
    assert_eq!(alice.asks(&web, &format!("/debug-sentry?{query}")).await, 500);
    assert_eq!(alice.asks(&web, &format!("/debug-sentry?panic&{query}")).await, 500);
    eventually("both are received", async || sentry.events().len() >= 2).await;

    let events = sentry.events();
    for event in &events {
        assert_eq!(event["release"], concat!("chorus@", env!("CARGO_PKG_VERSION")));
        assert_eq!(event["environment"], "test");
        assert!(event["request"]["url"].as_str().unwrap().ends_with("/debug-sentry"), "{event}");
    }
    let panicked = |event: &&Value| event["exception"]["values"][0]["type"] == "panic";
    let (panics, errors): (Vec<_>, Vec<_>) = events.iter().partition(panicked);
    assert_eq!((panics.len(), errors.len()), (1, 1), "{events:#?}");
    assert_eq!(errors[0]["message"], "a request failed");
    let told = panics[0]["exception"]["values"][0]["value"].as_str().unwrap();
    assert!(told.contains("on purpose"), "{told}");
    // What was logged before is told, without addresses.
    let crumb = &errors[0]["breadcrumbs"]["values"][0];
    assert_eq!(
        (&crumb["message"], &crumb["data"]["address"]),
        (&json!("ready"), &Value::Null),
        "{crumb}"
    );
    let all = sentry.all();
    for personal in [
        NAME,
        SAID,
        "curiouser",
        ADDRESS,
        PASSWORD,
        &alice.token,
        &alice.cookie,
        key.trim(),
    ] {
        assert!(!all.contains(personal), "{personal} in {all}");
    }
    let counted = reqwest::get(format!("http://{metrics}/metrics")).await.unwrap().text().await.unwrap();
    assert!(counted.contains("\nchorus_panics_total 1\n"), "{counted}");
    node.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_full_beneath_the_log_costs_lines_and_no_node() {
    let dir = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let number = port.port().to_string();
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = command(crate::common::program::built(), dir.path(), &[("PORT", &number)]);
    let mut node = command.stdout(full()).stderr(full()).spawn().unwrap();
    let web = Web::of(port);
    eventually("it is ready", async || {
        let asked = web.request(Method::GET, "/ready", "").send().await;
        asked.is_ok_and(|answer| answer.status() == 200)
    })
    .await;
    assert_eq!(
        web.get("/debug-sentry?panic", "").await.status,
        500,
        "a panic can't be told either"
    );
    assert_eq!(web.get("/health", "").await.status, 200);
    assert!(node.try_wait().unwrap().is_none(), "it runs");
    node.kill().await.unwrap();
}
