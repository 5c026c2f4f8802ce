//! Each fault of the proxy, seen from both ends of real connections.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use crate::{
    common::{LIMIT, eventually},
    harness::{
        beside,
        proxy::{Direction, HELD, Proxy, Scope},
    },
    servers::postgres::Postgres,
};

/// Long enough for loopback, short enough to wait for nothing.
const NOTHING: Duration = Duration::from_millis(150);
/// More than any of these faults takes, on a machine that may be busy.
const MUCH: Duration = Duration::from_secs(5);
/// So many words go there and back, and not each of them waits for what else the machine does.
const ROUNDS: usize = 20;

/// A server that sends back whatever comes, and then ends its side.
async fn echo() -> Proxy {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    beside(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            beside(async move {
                let (mut read, mut write) = socket.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
                let _ = write.shutdown().await;
            });
        }
    });
    Proxy::to(address).await
}

async fn connect(proxy: &Proxy) -> TcpStream {
    timeout(LIMIT, TcpStream::connect(proxy.address())).await.unwrap().unwrap()
}

async fn read(socket: &mut TcpStream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    timeout(LIMIT, socket.read_exact(&mut bytes)).await.expect("in time").unwrap();
    bytes
}

/// How long a word takes there and back.
async fn round(socket: &mut TcpStream, word: &[u8]) -> Duration {
    let began = Instant::now();
    socket.write_all(word).await.unwrap();
    assert_eq!(read(socket, word.len()).await, word);
    began.elapsed()
}

/// How long a word takes there and back when nothing is in its way.
async fn shortest_round(socket: &mut TcpStream, word: &[u8]) -> Duration {
    let mut shortest = Duration::MAX;
    for _ in 0..ROUNDS {
        shortest = shortest.min(round(socket, word).await);
    }
    shortest
}

async fn hears_nothing(socket: &mut TcpStream) {
    assert!(timeout(NOTHING, socket.read_u8()).await.is_err(), "something came, or it ended");
}

async fn is_reset(socket: &mut TcpStream) {
    let mut byte = [0];
    let read = timeout(LIMIT, socket.read(&mut byte)).await.expect("in time");
    assert!(read.is_err(), "not a reset but {read:?}");
}

#[tokio::test]
async fn without_a_fault_it_carries_and_counts() {
    let proxy = echo().await;
    let mut socket = connect(&proxy).await;
    round(&mut socket, b"hello").await;
    assert_eq!((proxy.bytes(Direction::Up), proxy.bytes(Direction::Down)), (5, 5));
    assert_eq!((proxy.connections(), proxy.open()), (1, 1));
    socket.shutdown().await.unwrap();
    assert_eq!(
        timeout(LIMIT, socket.read(&mut [0])).await.unwrap().unwrap(),
        0,
        "its end comes back"
    );
    eventually("it is over", async || proxy.open() == 0).await;
}

#[tokio::test]
async fn a_delay_is_a_latency_and_no_throttle() {
    let proxy = echo().await;
    let mut socket = connect(&proxy).await;
    let delay = Duration::from_millis(100);
    proxy.delay(delay);
    let took = round(&mut socket, b"hello").await;
    assert!(took >= 2 * delay && took < MUCH, "{took:?}");

    // 200 pieces, each later by the same time: not 200 times the delay, nor HELD times, and in order.
    let began = Instant::now();
    let (mut from, mut to) = socket.into_split();
    let sending = beside(async move {
        for piece in 0..200_u8 {
            to.write_all(&[piece; 100]).await.unwrap();
            tokio::task::yield_now().await;
        }
        to
    });
    let mut bytes = vec![0; 200 * 100];
    timeout(LIMIT, from.read_exact(&mut bytes)).await.expect("in time").unwrap();
    assert!(bytes.is_sorted(), "the order is kept");
    assert!(began.elapsed() < 30 * delay, "{:?}", began.elapsed());
    drop(sending.await.unwrap());

    proxy.heal();
    let mut socket = connect(&proxy).await;
    assert!(shortest_round(&mut socket, b"hello").await < delay);
}

#[tokio::test]
async fn a_stall_holds_what_comes_and_loses_nothing() {
    let proxy = echo().await;
    let mut socket = connect(&proxy).await;
    round(&mut socket, b"before").await;
    proxy.stall();
    socket.write_all(b"held").await.unwrap();
    hears_nothing(&mut socket).await;
    let mut other = connect(&proxy).await;
    other.write_all(b"new").await.unwrap();
    hears_nothing(&mut other).await;
    proxy.heal();
    assert_eq!(read(&mut socket, 4).await, b"held");
    assert_eq!(read(&mut other, 3).await, b"new");
}

#[tokio::test]
async fn a_stall_is_bounded_by_making_the_sender_wait() {
    let proxy = echo().await;
    let socket = connect(&proxy).await;
    proxy.stall();
    let (mut from, mut to) = socket.into_split();
    let most = 64 * 1024 * 1024;
    let mut sent = 0;
    let bytes = vec![7; 64 * 1024];
    while let Ok(written) = timeout(NOTHING, to.write(&bytes)).await {
        sent += written.unwrap();
        assert!(sent < most, "more than {HELD} pieces and the kernel's buffers are taken");
    }
    proxy.heal();
    let mut bytes = vec![0; sent];
    timeout(LIMIT, from.read_exact(&mut bytes)).await.expect("in time").unwrap();
    assert!(bytes.iter().all(|byte| *byte == 7), "all of it arrives");
}

#[tokio::test]
async fn a_cut_resets_everybody_until_it_is_healed() {
    let proxy = echo().await;
    let mut socket = connect(&proxy).await;
    round(&mut socket, b"hello").await;
    proxy.cut();
    is_reset(&mut socket).await;
    // Refused by a reset, which may come before or after the connection is there.
    if let Ok(mut other) = TcpStream::connect(proxy.address()).await {
        is_reset(&mut other).await;
    }
    proxy.heal();
    let mut socket = connect(&proxy).await;
    round(&mut socket, b"hello again").await;
}

#[tokio::test]
async fn new_connections_go_where_it_is_aimed() {
    let (proxy, elsewhere) = (echo().await, TcpListener::bind("127.0.0.1:0").await.unwrap());
    let mut socket = connect(&proxy).await;
    round(&mut socket, b"hello").await;
    proxy.aim(elsewhere.local_addr().unwrap());
    round(&mut socket, b"who is there stays").await;
    let mut new = connect(&proxy).await;
    let (mut accepted, _) = timeout(LIMIT, elsewhere.accept()).await.unwrap().unwrap();
    accepted.write_all(b"!").await.unwrap();
    assert_eq!(read(&mut new, 1).await, b"!");
}

#[tokio::test]
async fn a_half_close_ends_one_direction() {
    let proxy = echo().await;
    let mut socket = connect(&proxy).await;
    round(&mut socket, b"hello").await;
    proxy.half_close(Direction::Down);
    assert_eq!(timeout(LIMIT, socket.read(&mut [0])).await.unwrap().unwrap(), 0, "the end");
    let before = proxy.bytes(Direction::Up);
    socket.write_all(b"still").await.unwrap();
    eventually("the other direction goes on", async || proxy.bytes(Direction::Up) == before + 5).await;
    round(&mut connect(&proxy).await, b"new ones are whole").await;
}

#[tokio::test]
async fn one_way_may_swallow_and_such_a_connection_never_goes_on() {
    let proxy = echo().await;
    let (mut socket, mut idle) = (connect(&proxy).await, connect(&proxy).await);
    round(&mut socket, b"hello").await;
    round(&mut idle, b"hello").await;
    let down = proxy.bytes(Direction::Down);
    proxy.swallow(Direction::Down);
    socket.write_all(b"lost").await.unwrap();
    eventually("it gets there", async || proxy.bytes(Direction::Up) == 14).await;
    hears_nothing(&mut socket).await;
    assert_eq!(proxy.bytes(Direction::Down), down, "and yet nothing came back");
    proxy.heal();
    is_reset(&mut socket).await;
    round(&mut idle, b"nothing was lost here").await;
}

#[tokio::test]
async fn a_slow_way_lets_so_many_bytes_through() {
    let proxy = echo().await;
    let mut socket = connect(&proxy).await;
    proxy.slow(Direction::Up, 20_000);
    let took = round(&mut socket, &[1; 10_000]).await;
    assert!(took > Duration::from_millis(400) && took < MUCH, "{took:?}");
    proxy.heal();
    assert!(shortest_round(&mut socket, &[1; 10_000]).await < Duration::from_millis(400));
}

#[tokio::test]
async fn a_fault_may_be_for_new_connections_only() {
    let proxy = echo().await;
    let mut old = connect(&proxy).await;
    round(&mut old, b"old").await;
    let delay = Duration::from_millis(100);
    proxy.set(Scope::New, Direction::Up, |way| way.delay = delay);
    let mut new = connect(&proxy).await;
    assert!(round(&mut new, b"new").await >= delay);
    assert!(shortest_round(&mut old, b"old").await < delay);
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_speaks_through_it_and_suffers() {
    let server = Postgres::start_fast();
    let proxy = Proxy::to_port(server.port()).await;
    let url = format!("postgres://postgres@{}/postgres", proxy.address());
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    let connection = beside(connection);
    let one = async || client.query_one("SELECT 1", &[]).await.map(|row| row.get::<_, i32>(0));
    assert_eq!(one().await.unwrap(), 1);
    proxy.stall();
    let asking = client.query_one("SELECT 2", &[]);
    tokio::pin!(asking);
    assert!(timeout(NOTHING, &mut asking).await.is_err(), "it waits");
    proxy.heal();
    assert_eq!(timeout(LIMIT, asking).await.unwrap().unwrap().get::<_, i32>(0), 2);
    proxy.cut();
    assert!(
        timeout(LIMIT, connection).await.unwrap().unwrap().is_err(),
        "the connection breaks"
    );
    assert!(one().await.is_err());
}
