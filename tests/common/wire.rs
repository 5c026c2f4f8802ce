//! HTTP as bytes, for what no client library would send.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

use super::LIMIT;

/// Sends these bytes and reads until the other side closes.
pub async fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
    in_pieces(address, &[bytes]).await
}

/// Sends these bytes, each piece on its own, and reads until the other side closes.
pub async fn in_pieces(address: SocketAddr, pieces: &[&[u8]]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    for piece in pieces {
        // It may answer and close before it has read everything.
        let _ = stream.write_all(piece).await;
        tokio::task::yield_now().await;
    }
    timeout(LIMIT, read_to_end(&mut stream)).await.expect("closed in time")
}

async fn read_to_end(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut all = Vec::new();
    let mut piece = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut piece).await {
        all.extend_from_slice(&piece[..count]);
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// The status of an answer; empty when it is none.
pub fn status(answer: &str) -> &str {
    answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).unwrap_or_default()
}

/// Sends a beginning and then one byte after the other until the other side takes no more and has
/// closed: how long that took and what it answered.
pub async fn dribble(address: SocketAddr, beginning: &str, byte: Option<u8>) -> (Duration, String) {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut reading, mut writing) = stream.into_split();
    let began = Instant::now();
    writing.write_all(beginning.as_bytes()).await.unwrap();
    let dribbling = async {
        while let Some(byte) = byte {
            sleep(Duration::from_millis(100)).await;
            if writing.write_all(&[byte]).await.is_err() {
                break;
            }
        }
    };
    let both = async { tokio::join!(read_to_end(&mut reading), dribbling).0 };
    let answer = timeout(LIMIT, both).await.unwrap_or_else(|_| panic!("{beginning:?} is never cut"));
    (began.elapsed(), answer)
}
