//! Who is called, and by whom one is known.

use std::{path::Path, process::Stdio};

use tokio::process::Command;

use super::{Scene, to};
use crate::{
    common::{
        eventually,
        program::Program,
        receiver::{Receiver, Reply, SECRET},
    },
    servers::{CERTIFY, free_port},
};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_called_that_is_not_public_by_name_or_by_redirect() {
    // Where one is sent on to is a place that may be called.
    let (by_name, by_redirect, sends_on) = (Receiver::start(), Receiver::start(), Receiver::start());
    let elsewhere = format!("http://{}/", by_redirect.address);
    sends_on.answers(move |_| Reply::Says(307, "location", elsewhere.clone()));
    let scene = Scene::telling(&to("a", &sends_on)).await;
    scene.say("lobby", "one").await;
    eventually("it is sent on", async || sends_on.came().len() >= 3).await;
    drop(scene);
    // By name: to an address that nobody allows.
    let home = tempfile::tempdir().unwrap();
    let name = format!("a=https://localhost:{}/in?key=hidden", by_name.address.port());
    let scene = Scene::with(home, &name, &[]).await;
    scene.say("lobby", "one").await;
    let said = async || scene.program.said().contains("no address of it is public");
    eventually("it says why it does not call it", said).await;
    assert!(!scene.program.said().contains("hidden"), "{}", scene.program.said());
    eventually("it waits", async || scene.told("lag_messages").await == 1).await;
    assert_eq!(scene.told("connected").await, 0);
    assert_eq!((by_name.connections(), by_redirect.connections()), (0, 0), "nobody was called");
    assert_eq!(scene.web.get("/ready", "").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_with_a_receiver_that_may_not_be_called_does_not_start_and_shows_nothing_of_it() {
    let home = tempfile::tempdir().unwrap();
    let settings = [
        (
            "WEBHOOKS",
            "a=https://10.0.0.7/hidden b=http://0x7f.1/hidden c=https://u:hidden@b.example",
        ),
        ("WEBHOOK_SECRET", "whsec_hidden"),
        ("WEBHOOK_ALLOW", "hidden"),
    ];
    let (code, said) = Program::spawn(home.path(), &settings).ended().await;
    assert_eq!(code, Some(1), "{said}");
    for told in ["(of a)", "(of b)", "(of c)", "WEBHOOK_SECRET", "WEBHOOK_ALLOW"] {
        assert!(said.contains(told), "{told}: {said}");
    }
    assert!(!said.contains("hidden"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_is_spoken_to_in_tls_if_its_certificate_is_vouched_for() {
    let receiver = Receiver::start_with_tls(&CERTIFY);
    let webhook = format!("a=https://localhost:{}/in", receiver.address.port());
    let allow = ("WEBHOOK_ALLOW", "127.0.0.1 ::1");
    let authority = receiver.authority().display().to_string();
    let home = tempfile::tempdir().unwrap();
    let scene = Scene::with(home, &webhook, &[allow, ("SSL_CERT_FILE", &authority)]).await;
    scene.say("lobby", "Hello").await;
    eventually("it comes", async || receiver.count("lobby") == 1).await;
    assert_eq!(
        receiver.came()[0].headers["host"],
        format!("localhost:{}", receiver.address.port())
    );
    let stranger = Scene::with(tempfile::tempdir().unwrap(), &webhook, &[allow]).await;
    let said = async || stranger.program.said().contains("certificate");
    eventually("it says why it does not trust it", said).await;
    assert_eq!(stranger.told("connected").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_receiver_of_the_page_prints_the_chat_once_though_it_is_killed_in_between() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/events.md");
    let page = std::fs::read_to_string(page).unwrap();
    let program = page.split("```python\n").find(|block| block.contains("http.server")).unwrap();
    let program = program
        .split("```")
        .next()
        .unwrap()
        .replace("8000", "int(sys.argv[1])")
        .replace("import ", "import sys, ");
    let port = free_port().to_string();
    let run = || {
        let mut printer = Command::new("/usr/bin/python3");
        printer.args(["-c", &program, &port]).env("WEBHOOK_SECRET", SECRET).kill_on_drop(true);
        printer.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Program::of(printer)
    };
    let mut printer = run();
    let scene = Scene::telling(&format!("a=http://127.0.0.1:{port}/")).await;
    scene.say("lobby", "Hello").await;
    printer.line(|line| line == "lobby 1 alice: Hello").await;
    printer.kill().await;
    scene.say("lobby", "Is anybody there?").await;
    let mut printer = run();
    printer.line(|line| line == "lobby 2 alice: Is anybody there?").await;
    // Whoever does not sign is sent away.
    let stranger = reqwest::Client::builder().no_proxy().build().unwrap();
    let forged = stranger.post(format!("http://127.0.0.1:{port}/")).body("{}").send().await.unwrap();
    assert_eq!(forged.status().as_u16(), 401);
    printer.kill().await;
}
