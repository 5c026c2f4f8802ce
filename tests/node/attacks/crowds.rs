//! Too much at once: floods of sign-ins, readers that don't read.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;
use tokio::net::TcpSocket;
use tokio_tungstenite::{
    MaybeTlsStream, client_async,
    tungstenite::{client::IntoClientRequest, http::HeaderValue},
};

use crate::common::{Client, flood_of_sign_ins, web::node};

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_sign_ins_is_refused_quickly_and_chat_goes_on() {
    /// Who finds the queue full is refused at once, in the time of many connections on a busy machine. To wait as those
    /// do who have a place there would be to wait for 5 s.
    const QUICKLY: Duration = Duration::from_secs(4);
    let flood = flood_of_sign_ins(250);
    let (town, web) = node(|config| config.bcrypt_cost = 9).await;
    let mut alice = web.guest(&web.sign_in("alice").await).await;
    let guess = async |n: usize| {
        let began = Instant::now();
        let name = if n.is_multiple_of(2) { "alice".to_owned() } else { format!("nobody{n}") };
        let answer = web.post("/login", "", json!({ "username": name, "password": "a wrong guess" })).await;
        (answer, began.elapsed())
    };
    let talking = async {
        let mut worst = Duration::ZERO;
        for n in 0..60 {
            let began = Instant::now();
            alice.say_acked("lobby", &format!("m{n}"), "calm").await;
            worst = worst.max(began.elapsed());
        }
        worst
    };
    let (answers, worst) = tokio::join!(join_all((0..flood).map(guess)), talking);
    assert!(worst < Duration::from_secs(5), "a message took {worst:?}");
    let refused: Vec<_> = answers.iter().filter(|(answer, _)| answer.status != 401).collect();
    assert!(refused.len() > flood / 5, "only {} of {flood} were refused", refused.len());
    for (answer, took) in &refused {
        assert!(matches!(answer.status, 429 | 503), "{answer:?}");
        assert!(answer.header("retry-after").parse::<u32>().is_ok(), "{answer:?}");
        assert!(*took < Duration::from_secs(10), "refused after {took:?}");
    }
    assert!(answers.iter().any(|(answer, _)| answer.status == 401), "some were looked at");
    let mut times: Vec<_> = refused.iter().map(|(_, took)| *took).collect();
    times.sort();
    let half = times[times.len() / 2];
    assert!(half < QUICKLY, "half of them were refused within {half:?}");
    web.login("alice").await;
    town.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_does_not_read_gets_1013_and_the_others_everything() {
    let (town, web) = node(|config| {
        config.outbox_bytes = 65_536;
        config.presence_grace = Duration::ZERO;
        config.message_max_chars = 3_000;
    })
    .await;
    let token = web.sign_in("mallory").await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let stream = MaybeTlsStream::Plain(socket.connect(web.address).await.unwrap());
    let mut request = format!("ws://{}/ws", web.address).into_client_request().unwrap();
    let bearer = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
    request.headers_mut().insert("Authorization", bearer);
    request
        .headers_mut()
        .insert("Sec-WebSocket-Protocol", HeaderValue::from_static("chorus.v1"));
    let (socket, _) = client_async(request, stream).await.unwrap();
    let mut slow = Client::greeted(socket).await.unwrap();
    slow.join("lobby").await;

    let mut alice = web.guest(&web.sign_in("alice").await).await;
    let mut bob = web.guest(&web.sign_in("bob").await).await;
    let text = "😀".repeat(3_000);
    let mut said = 0;
    alice.until_people("lobby", &["alice", "bob", "mallory"]).await;
    while alice.people["lobby"].0.iter().any(|name| name == "mallory") {
        assert!(said < 2_000, "the slow reader is never closed");
        said += 1;
        alice.say_acked("lobby", &format!("m{said}"), &text).await;
        bob.until_seq("lobby", said).await;
    }
    // The node waits some seconds for it to read what it was sent before.
    assert_eq!(slow.closed().await, 1013);
    alice.say_acked("lobby", "after", "still here").await;
    bob.until_seq("lobby", said + 1).await;
    // It resumes and reads what it missed, if it is not too far behind.
    let mut back = Client::open(web.address, &token).await;
    assert_eq!(back.join("lobby").await["seq"], json!(said + 1));
    town.stop().await;
}
