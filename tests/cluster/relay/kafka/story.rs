//! A calm day: what comes, as what, how soon, and who is let in.

use std::{
    fs,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use serde_json::json;
use tempfile::TempDir;
use tokio::{process::Command, task::spawn_blocking};

use super::{NAME, PARTITIONS, Way, consume, leader, own, relaying, told};
use crate::{
    common::{eventually, program::Program, web::Web, within},
    harness::scene::{Cluster, Setup},
    relay::{self, has_all},
    servers::kafka::{Front, Kafka, codes, interpreter},
};

async fn say(cluster: &Cluster, token: &str, room: &str, text: &str) {
    let answer = cluster
        .web(0)
        .post(&format!("/rooms/{room}/messages"), token, json!({ "message": text }))
        .await;
    assert_eq!(answer.status, 201, "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_comes_once_in_order_and_in_the_partition_of_its_room() {
    let way = Way::shared().await;
    let consumer = consume(&way, &[]);
    let cluster = relaying(Setup::of(2).undisturbed(), &way).start().await;
    let token = cluster.web(0).sign_in("alice").await;
    assert_eq!(
        cluster.web(0).post("/rooms", &token, json!({ "room": "plans-2_b" })).await.status,
        201
    );
    for n in 0..40 {
        for (node, room) in [(0, "lobby"), (1, "plans-2_b")] {
            let said = json!({ "id": format!("m{n}"), "message": format!("{n} <&> \"ü\"") });
            let answer = cluster.web(node).post(&format!("/rooms/{room}/messages"), &token, said).await;
            assert_eq!(answer.status, 201, "{answer:?}");
        }
    }
    has_all(&consumer, &cluster, &["lobby".to_owned(), "plans-2_b".to_owned()]).await;
    let schema = relay::story::schema();
    for one in consumer.came() {
        assert!(schema.is_valid(&one.event), "{}", one.event);
        assert_eq!(one.key, one.event["subject"].as_str().unwrap());
        // Where librdkafka's own producer puts them with Java's partitioner.
        assert_eq!(
            one.properties.partition,
            if one.key == "lobby" { 2 } else { 1 },
            "of {PARTITIONS}"
        );
        let headers = json!([["content-type", "application/cloudevents+json; charset=utf-8"]]);
        assert_eq!(one.properties.headers, headers);
        let time: jiff::Timestamp = one.event["time"].as_str().unwrap().parse().unwrap();
        assert_eq!(i64::try_from(one.properties.timestamp).unwrap(), time.as_millisecond());
    }
    let here = leader(&cluster).await;
    let mut times = Vec::new();
    for n in 0..20 {
        let said = json!({ "message": format!("message {n}") });
        cluster.web(here).post("/rooms/lobby/messages", &token, said).await;
        let acked = Instant::now();
        eventually("it comes", async || consumer.count("lobby") > 40 + n).await;
        times.push(acked.elapsed());
    }
    times.sort();
    println!(
        "from the acknowledgement to the consumer: median {:.1?}, most {:.1?}",
        times[10], times[19]
    );
    assert!(times[10] < Duration::from_millis(500), "{times:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_not_there_is_waited_for_and_named() {
    let kafka = spawn_blocking(|| Kafka::start(1)).await.unwrap();
    kafka.topic_fails("chorus", codes::UNKNOWN_TOPIC);
    let way = Way::to(kafka.brokers());
    let cluster = relaying(Setup::alone(), &way).start().await;
    let token = cluster.web(0).sign_in("alice").await;
    say(&cluster, &token, "lobby", "before").await;
    let node = &cluster.nodes[0];
    eventually("it says which", async || node.said().contains("there is no topic chorus")).await;
    assert_eq!(cluster.ready(0).await, (200, vec![]));
    kafka.topic_fails("chorus", 0);
    let consumer = consume(&way, &[]);
    has_all(&consumer, &cluster, &["lobby".to_owned()]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ten_lines_of_the_page_print_the_chat_also_when_the_broker_is_gone_in_between() {
    let (kafka, way, _consumer) = own(1).await;
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/events.md")).unwrap();
    let program = page
        .split("```python\n")
        .find(|part| part.contains("confluent_kafka"))
        .unwrap()
        .split("```")
        .next()
        .unwrap();
    let mut printer = Command::new(interpreter());
    printer.args(["-c", program]).env("KAFKA_BROKERS", &way.brokers).kill_on_drop(true);
    printer.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut printer = Program::of(printer);
    let cluster = relaying(Setup::alone(), &way).start().await;
    let token = cluster.web(0).sign_in("alice").await;
    say(&cluster, &token, "lobby", "Hello").await;
    printer.line(|line| line == "lobby 1 alice: Hello").await;
    kafka.down(1);
    say(&cluster, &token, "lobby", "Is anybody there?").await;
    let gone = async || told(&cluster.nodes[0], "connected").await == 0.0;
    eventually("it is seen to be gone", gone).await;
    kafka.up(1);
    printer.line(|line| line == "lobby 2 alice: Is anybody there?").await;
    printer.kill().await;
}

/// A password with what is special to SCRAM, URLs and shells.
const PASSWORD: &str = "gr33n,=apple &@";

/// A Kafka that lets nobody in but `chat`, in TLS and by this mechanism.
async fn guarded(mechanism: &'static str) -> (Kafka, Front) {
    let start = move || {
        let kafka = Kafka::start(1);
        kafka.topic("chorus", PARTITIONS);
        let front = Front::before(&kafka, 1, mechanism, "chat", PASSWORD);
        (kafka, front)
    };
    spawn_blocking(start).await.unwrap()
}

/// A node on the embedded database that goes there so; without an authority it believes those of this machine.
async fn calls(front: &Front, sasl: &str, password: &str, authority: &str) -> (Program, Web, TempDir) {
    let home = tempfile::tempdir().unwrap();
    let settings = [
        ("KAFKA_BROKERS", front.brokers()),
        ("KAFKA_TLS", "true".to_owned()),
        ("KAFKA_USER", "chat".to_owned()),
        ("KAFKA_PASSWORD", password.to_owned()),
        ("KAFKA_SASL", sasl.to_owned()),
        ("SSL_CERT_FILE", authority.to_owned()),
    ];
    let given = settings.iter().filter(|(_, value)| !value.is_empty());
    let settings: Vec<(&str, &str)> = given.map(|(name, value)| (*name, value.as_str())).collect();
    let (program, address, _) = Program::start(home.path(), &settings).await;
    (program, Web::of(address), home)
}

#[tokio::test(flavor = "multi_thread")]
async fn brokers_are_spoken_to_in_tls_by_who_knows_the_password() {
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        let (_kafka, front) = guarded(mechanism).await;
        let (sasl, authority) = (mechanism.to_ascii_lowercase(), front.authority().display().to_string());
        let (node, web, _home) = calls(&front, &sasl, PASSWORD, &authority).await;
        let token = web.sign_in("alice").await;
        let said = web.post("/rooms/lobby/messages", &token, json!({ "message": "Hello" })).await;
        assert_eq!(said.status, 201, "{said:?}");
        // librdkafka is let in by the same door: it is one.
        let settings = [
            "security.protocol=SASL_SSL",
            &format!("sasl.mechanism={mechanism}"),
            "sasl.username=chat",
            &format!("sasl.password={PASSWORD}"),
            &format!("ssl.ca.location={authority}"),
        ];
        let consumer = consume(&Way::to(front.brokers()), &settings);
        eventually("it comes", async || consumer.count("lobby") == 1).await;
        node.kill().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_let_in_or_does_not_trust_says_why_and_no_password() {
    let (_kafka, front) = guarded("SCRAM-SHA-512").await;
    let authority = front.authority().display().to_string();
    for (sasl, password, authority, why) in [
        (
            "scram-sha-512",
            "r3d",
            authority.as_str(),
            "does not let us in: Authentication failed",
        ),
        ("plain", PASSWORD, &authority, "PLAIN is not offered; what is: SCRAM-SHA-512"),
        ("scram-sha-512", PASSWORD, "", "certificate"),
    ] {
        let (mut node, _web, _home) = calls(&front, sasl, password, authority).await;
        let line = node.line(|line| line.contains("what was said waits for the sink of the relay")).await;
        assert!(line.contains(why), "{line}");
        assert!(!node.said().contains(password), "no credential is in any line");
        node.kill().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rabbitmq_and_a_kafka_have_each_their_own_way() {
    let (queue, queued) = relay::shared().await;
    let (kafka, way, consumer) = own(1).await;
    let cluster = relay::relaying(relaying(Setup::of(2), &way), &queue).start().await;
    let token = cluster.web(0).sign_in("alice").await;
    say(&cluster, &token, "lobby", "to both").await;
    let lobby = ["lobby".to_owned()];
    has_all(&consumer, &cluster, &lobby).await;
    has_all(&queued, &cluster, &lobby).await;
    kafka.down(1);
    for n in 0..5 {
        say(&cluster, &token, "lobby", &format!("to one {n}")).await;
    }
    has_all(&queued, &cluster, &lobby).await;
    let cursor = |sink: &str| {
        let sql = format!("SELECT max(seq) FROM relay_cursors WHERE sink = '{sink}'");
        cluster.postgres.sql(&cluster.database, &sql)
    };
    eventually("it is kept", async || cursor("rabbitmq") == "6").await;
    assert_eq!(cursor("kafka"), "1");
    kafka.up(1);
    has_all(&consumer, &cluster, &lobby).await;
    within(Duration::from_secs(20), "it is kept", async || cursor("kafka") == "6").await;
    assert_eq!(consumer.came().len(), 6, "each once");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_gathered_for_years_goes_on_in_order() {
    let way = Way::shared().await;
    let mut cluster = Setup::alone().undisturbed().start().await;
    cluster.web(0).sign_in("alice").await;
    assert_eq!(cluster.nodes[0].stop().await, Some(0));
    cluster.postgres.sql(&cluster.database, relay::story::FULL);
    cluster.nodes[0].set("KAFKA_BROKERS", &way.brokers);
    cluster.nodes[0].set("KAFKA_TOPIC", &way.topic);
    cluster.nodes[0].start().await;
    let rooms = relay::story::confirms_all(NAME, &cluster).await;
    let consumer = consume(&way, &[]);
    has_all(&consumer, &cluster, &rooms).await;
    assert_eq!(consumer.came().len(), 20_000, "each once");
}
