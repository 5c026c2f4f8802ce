//! Webhooks of the built program on the embedded database, to a receiver that does what a test tells it: what is said
//! comes signed, once and in order, whatever is answered, or it is put aside; and nothing is called that may not be.

#![allow(clippy::print_stdout, reason = "the figures are worth reading")]

mod doors;
mod troubles;

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::common::{
    eventually,
    program::{JWT_SECRET, Program},
    receiver::{Came, Receiver, SECRET},
    schema,
    web::Web,
};

/// Signs as well, while the secret is changed.
const FORMER: &str = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
/// From the acknowledgement to the receiver; with nothing else to do it is milliseconds.
const SOON: Duration = Duration::from_millis(500);

/// A node that tells receivers, and somebody who talks there.
struct Scene {
    program: Program,
    web: Web,
    operator: Web,
    token: String,
    home: tempfile::TempDir,
}

impl Scene {
    async fn telling(webhooks: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        Self::with(home, webhooks, &[("WEBHOOK_ALLOW", "127.0.0.1/32, ::1")]).await
    }

    async fn with(home: tempfile::TempDir, webhooks: &str, more: &[(&str, &str)]) -> Self {
        let secrets = format!("{FORMER} {SECRET}");
        let mut settings = vec![
            ("WEBHOOKS", webhooks),
            ("WEBHOOK_SECRET", &secrets),
            ("JWT_SECRET", JWT_SECRET),
            ("MESSAGE_LIMIT", "10000"),
        ];
        settings.extend(more);
        let (program, address, metrics) = Program::start(home.path(), &settings).await;
        let web = Web::of(address);
        let token = web.sign_in("alice").await;
        Self { program, web, operator: Web::of(metrics), token, home }
    }

    async fn room(&self, name: &str) {
        self.web.post("/rooms", &self.token, json!({ "room": name })).await;
    }

    async fn say(&self, room: &str, text: &str) {
        let said = json!({ "message": text });
        let answer = self.web.post(&format!("/rooms/{room}/messages"), &self.token, said).await;
        assert_eq!(answer.status, 201, "{answer:?}");
    }

    /// A gauge or counter of the relay to the receiver `a`.
    async fn told(&self, name: &str) -> u64 {
        let request = self.operator.request(reqwest::Method::GET, "/metrics", "");
        let metrics = request.send().await.unwrap().text().await.unwrap();
        let name = format!("chorus_relay_{name}{{sink=\"webhook.a\"}} ");
        let value = metrics.lines().find_map(|line| line.strip_prefix(name.as_str()));
        value.map_or(0, |value| value.parse().unwrap())
    }

    async fn is_even(&self) {
        eventually("nothing waits", async || self.told("lag_messages").await == 0).await;
    }
}

/// The setting for a receiver without TLS.
fn to(name: &str, receiver: &Receiver) -> String {
    format!("{name}=http://{}/in?key=hidden", receiver.address)
}

fn seen(receiver: &Receiver, room: &str) -> Vec<String> {
    receiver.seen(room).into_iter().map(|(_, text)| text).collect()
}

/// The pauses between requests.
fn pauses(came: &[Came]) -> Vec<Duration> {
    came.windows(2).map(|two| two[1].at - two[0].at).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_comes_signed_once_in_order_and_as_the_schema_says() {
    let receiver = Receiver::start();
    let scene = Scene::telling(&to("a", &receiver)).await;
    scene.room("plans-2_b").await;
    for n in 0..20 {
        scene.say("lobby", &format!("{n} <&> \"ü\"")).await;
        scene.say("plans-2_b", &format!("{n}")).await;
    }
    eventually("all has come", async || {
        receiver.count("lobby") + receiver.count("plans-2_b") == 40
    })
    .await;
    assert_eq!(
        seen(&receiver, "lobby"),
        (0..20).map(|n| format!("{n} <&> \"ü\"")).collect::<Vec<_>>()
    );
    assert_eq!(
        seen(&receiver, "plans-2_b"),
        (0..20).map(|n| format!("{n}")).collect::<Vec<_>>()
    );
    let came = receiver.came();
    assert_eq!(came.len(), 40, "nothing came twice");
    let schema = schema::validator("event.json");
    for one in &came {
        assert!(schema.is_valid(&one.event), "{}", one.event);
        assert_eq!(one.line, "POST /in?key=hidden HTTP/1.1");
        assert_eq!(one.headers["content-type"], "application/cloudevents+json; charset=utf-8");
        assert_eq!(one.headers["host"], receiver.address.to_string());
        assert_eq!(one.headers["webhook-signature"].split(' ').count(), 2, "by both secrets");
        assert_eq!(one.id(), one.event["id"].as_str().unwrap());
    }
    assert_eq!(came.iter().map(Came::id).collect::<BTreeSet<_>>().len(), 40);
    assert!(receiver.connections() <= 3, "connections are kept: {}", receiver.connections());
    scene.is_even().await;
    assert_eq!((scene.told("confirmed_total").await, scene.told("connected").await), (40, 1));
    let said = scene.program.said();
    assert!(!said.contains("hidden") && !said.contains("whsec_"), "{said}");
    scene.program.terminate().await;
    assert_eq!(scene.program.ended().await.0, Some(0), "it ends in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_comes_within_milliseconds() {
    let receiver = Receiver::start();
    let scene = Scene::telling(&to("a", &receiver)).await;
    let mut times = Vec::new();
    for n in 0..20 {
        scene.say("lobby", &format!("{n}")).await;
        let acked = Instant::now();
        eventually("it comes", async || receiver.count("lobby") > n).await;
        times.push(receiver.came()[n].at.saturating_duration_since(acked));
    }
    times.sort();
    println!(
        "from the acknowledgement to the receiver: median {:.1?}, most {:.1?}",
        times[10], times[19]
    );
    assert!(times[10] < SOON, "{times:?}");
}
