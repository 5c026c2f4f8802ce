//! Attacks below HTTP's surface: slow, smuggled and oversized bytes.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::common::{
    LIMIT,
    web::{Web, node},
};

/// Sends these bytes and reads until the node closes.
async fn exchange(web: &Web, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(web.address).await.unwrap();
    // A node may answer and close before it has read everything.
    let _ = stream.write_all(bytes).await;
    read_to_end(&mut stream).await
}

async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let mut piece = [0; 4096];
    let reading = async {
        while let Ok(count @ 1..) = stream.read(&mut piece).await {
            all.extend_from_slice(&piece[..count]);
        }
    };
    timeout(LIMIT, reading).await.expect("closed in time");
    String::from_utf8_lossy(&all).into_owned()
}

fn status(answer: &str) -> &str {
    answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).unwrap_or_default()
}

/// Sends a beginning and then one byte after the other until the node has closed; how long that
/// took and what it answered.
async fn dribble(web: &Web, beginning: &str, byte: Option<u8>) -> (Duration, String) {
    let stream = TcpStream::connect(web.address).await.unwrap();
    let (mut reading, mut writing) = stream.into_split();
    let began = Instant::now();
    writing.write_all(beginning.as_bytes()).await.unwrap();
    let dribbling = async {
        while let Some(byte) = byte {
            sleep(Duration::from_millis(300)).await;
            if writing.write_all(&[byte]).await.is_err() {
                break;
            }
        }
        std::future::pending::<()>().await;
    };
    let mut all = Vec::new();
    let mut piece = [0; 4096];
    let closing = async {
        while let Ok(count @ 1..) = reading.read(&mut piece).await {
            all.extend_from_slice(&piece[..count]);
        }
    };
    tokio::select! {
        () = dribbling => {}
        () = closing => {}
        () = sleep(LIMIT) => panic!("{beginning:?} is never cut"),
    }
    (began.elapsed(), String::from_utf8_lossy(&all).into_owned())
}

#[tokio::test]
async fn whoever_dribbles_is_cut_within_eleven_seconds() {
    let (town, web) = node(|_| {}).await;
    let login = "POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
    let declared = format!("{login}Content-Length: 1000\r\n\r\n");
    let chunked = format!("{login}Transfer-Encoding: chunked\r\n\r\n3e8\r\n");
    let ignored = "GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n".to_owned();
    let not_found = "POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n".to_owned();
    let cases = [
        (String::new(), None, ""),
        ("GET / HTTP/1.1\r\nHost: x\r\nCook".to_owned(), None, ""),
        ("GET / HTTP/1.1\r\nX: ".to_owned(), Some(b'a'), ""),
        (declared.clone(), None, "400"),
        (declared, Some(b' '), "400"),
        (chunked, Some(b' '), "400"),
        (ignored, Some(b' '), "200"),
        (not_found, Some(b' '), "404"),
    ];
    let cuts = cases.iter().map(async |(beginning, byte, expected)| {
        let (took, answer) = dribble(&web, beginning, *byte).await;
        assert!(took <= Duration::from_secs(15), "{beginning:?} lasted {took:?}");
        assert!(*expected == status(&answer) || expected.is_empty(), "{beginning:?}: {answer}");
    });
    futures_util::future::join_all(cuts).await;
    town.stop().await;
}

#[tokio::test]
async fn an_upgrade_followed_by_silence_is_cut_after_two_pings() {
    let (town, web) = node(|config| config.ping_interval = Duration::from_secs(1)).await;
    let mut alive = web.guest(&web.sign_in("alice").await).await;
    let token = web.sign_in("mallory").await;
    let upgrade = format!(
        "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    let began = Instant::now();
    let (answer, _) =
        tokio::join!(exchange(&web, upgrade.as_bytes()), alive.listen_for(Duration::from_secs(5)));
    assert_eq!(status(&answer), "101");
    assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
    alive.say_acked("lobby", "m", "who answers pings stays").await;
    assert_eq!(town.nodes[0].sockets(), 1);
    town.stop().await;
}

#[tokio::test]
async fn nothing_is_smuggled_behind_a_request() {
    let (town, web) = node(|_| {}).await;
    let hidden = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
    let post = "POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
    let length = hidden.len() + 5;
    for request in [
        format!("{post}Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"),
        format!("{post}Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n\r\n0\r\n\r\n{hidden}"),
        format!("{post}Content-Length: 0\r\nContent-Length: {length}\r\n\r\n{hidden}"),
        format!("{post}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n{hidden}"),
        format!("{post}Transfer-Encoding: xchunked\r\nContent-Length: 0\r\n\r\n{hidden}"),
        format!("{post}Transfer-Encoding : chunked\r\nContent-Length: 0\r\n\r\n{hidden}"),
        format!("{post}Content-Length: +0\r\n\r\n{hidden}"),
        format!("{post}X: y\r\n Content-Length: 0\r\n\r\n{hidden}"),
        format!("{post}Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{hidden}"),
    ] {
        let answer = exchange(&web, request.as_bytes()).await;
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{request}\n→ {answer}");
        assert_eq!(status(&answer), "400", "{request}\n→ {answer}");
        assert!(!answer.contains("timeStamp"));
    }
    town.stop().await;
}

#[tokio::test]
async fn what_is_too_large_is_refused_unread() {
    let (town, web) = node(|_| {}).await;
    let began = Instant::now();
    let large = format!("GET /health HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "a".repeat(20_000));
    assert_eq!(status(&exchange(&web, large.as_bytes()).await), "431");
    let many = format!("GET /health HTTP/1.1\r\nHost: x\r\n{}\r\n", "X: y\r\n".repeat(200));
    assert_eq!(status(&exchange(&web, many.as_bytes()).await), "431");
    let long = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(70_000));
    assert!(matches!(status(&exchange(&web, long.as_bytes()).await), "414" | "431"));
    let post = "POST /login HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n";
    let declared = format!("{post}Content-Length: 1000000000\r\n\r\n");
    assert_eq!(status(&exchange(&web, declared.as_bytes()).await), "413");
    let chunk = format!("1000\r\n{}\r\n", "a".repeat(0x1000)).repeat(5);
    let chunked = format!("{post}Transfer-Encoding: chunked\r\n\r\n{chunk}0\r\n\r\n");
    assert_eq!(status(&exchange(&web, chunked.as_bytes()).await), "413");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    town.stop().await;
}
