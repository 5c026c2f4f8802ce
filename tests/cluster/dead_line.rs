//! A line to PostgreSQL dies at the worst moment: the server has an append, and with it the lock of a room, and not the
//! last bytes, which would commit it. Nobody closes this line and nobody answers on it. Others can talk in the room
//! again in time, and what was half said is not in the log.

use std::{
    future::pending,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use socket2::{SockFilter, SockRef};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
    time::{sleep, timeout},
};

use crate::{
    BUSY,
    common::{Client, LIMIT},
    harness::{beside, scene::Setup},
};

/// The server looks for a silent client after a second, twice, and then it is gone; from PostgreSQL 17 on the
/// transaction ends before that.
const LOCKED: Duration = Duration::from_secs(3).saturating_add(BUSY);
/// What ends an exchange and commits it: a Sync message of PostgreSQL's protocol.
const SYNC: usize = 5;
/// How often it is looked whether the server's kernel has it.
const LOOK: Duration = Duration::from_millis(1);
/// A program for the kernel's filter of packets: take none ("return 0").
const TAKE_NOTHING: SockFilter = SockFilter::new(0x06, 0, 0, 0);
/// What alice says on the line that dies.
const LAST_WORDS: &str = "the last words";

/// Carries lines to PostgreSQL, and lets that one die that says [`LAST_WORDS`].
struct Line {
    address: SocketAddr,
    dead: Arc<Notify>,
}

impl Line {
    async fn to(postgres: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let dead = Arc::new(Notify::new());
        let dies = Arc::clone(&dead);
        beside(async move {
            while let Ok((node, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(postgres).await else { continue };
                let dies = Arc::clone(&dies);
                beside(async move { carry(node, server, &dies).await });
            }
        });
        Self { address, dead }
    }
}

async fn carry(mut node: TcpStream, mut server: TcpStream, dies: &Notify) {
    let (mut said, mut answered) = (vec![0; 65536], vec![0; 65536]);
    loop {
        let done = tokio::select! {
            read = node.read(&mut said) => match read {
                Ok(count @ 1..) if says(&said[..count], LAST_WORDS) => {
                    server.write_all(&said[..count - SYNC]).await.unwrap();
                    // Else its kernel would send it again and again, which is a sign of life.
                    while !has_arrived(&server) {
                        sleep(LOOK).await;
                    }
                    // Now its kernel drops whatever comes, signs of life too, and answers nothing.
                    SockRef::from(&server).attach_filter(&[TAKE_NOTHING]).unwrap();
                    dies.notify_one();
                    pending().await
                }
                Ok(count @ 1..) => server.write_all(&said[..count]).await.is_err(),
                _ => true,
            },
            read = server.read(&mut answered) => match read {
                Ok(count @ 1..) => node.write_all(&answered[..count]).await.is_err(),
                _ => true,
            },
        };
        if done {
            return;
        }
    }
}

/// Whether the other side's kernel has acknowledged all that was written.
fn has_arrived(socket: &TcpStream) -> bool {
    let other = usize::from(socket.peer_addr().unwrap().port());
    let ends = ends_at(socket.local_addr().unwrap().port());
    ends.iter().find(|end| end.other == other).expect("it is open").unacknowledged == 0
}

/// One end of a connection, as the kernel has it.
pub(crate) struct End {
    /// The port of the other one.
    other: usize,
    /// Bytes that the other side's kernel has not acknowledged.
    unacknowledged: usize,
    /// Bytes that have arrived here and that nobody has read.
    pub(crate) unread: usize,
}

/// All ends at this port, as `/proc/net/tcp` tells them.
pub(crate) fn ends_at(port: u16) -> Vec<End> {
    let all = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let ends = all.lines().skip(1).map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [(_, own), (_, other), (unacknowledged, unread)] =
            [fields[1], fields[2], fields[4]].map(hexadecimals);
        (own, End { other, unacknowledged, unread })
    });
    ends.filter(|(own, _)| *own == usize::from(port)).map(|(_, end)| end).collect()
}

/// The numbers on both sides of a colon.
fn hexadecimals(field: &str) -> (usize, usize) {
    let (before, after) = field.split_once(':').unwrap();
    let number = |text: &str| usize::from_str_radix(text, 16).unwrap();
    (number(before), number(after))
}

fn says(piece: &[u8], words: &str) -> bool {
    piece.windows(words.len()).any(|part| part == words.as_bytes())
}

/// Says it until it is acknowledged.
async fn says_until_acked(client: &mut Client, id: &str, text: &str) -> Value {
    let acked = async {
        loop {
            client.say("lobby", id, text).await;
            let answer = client.until(|frame| frame["id"] == id && frame["type"] != "message").await;
            if answer["type"] == "ack" {
                return answer;
            }
        }
    };
    timeout(LIMIT, acked).await.expect("acknowledged in time")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_dies_with_a_locked_room_locks_nobody_out() {
    let cluster = Setup::of(2).proxied().undisturbed().start().await;
    let (mut alice, mut bob) = (cluster.guest(0, "alice").await, cluster.guest(1, "bob").await);
    let postgres = SocketAddr::from(([127, 0, 0, 1], cluster.postgres.port()));
    let line = Line::to(postgres).await;
    let to_postgres = cluster.nodes[0].to_postgres.as_ref().unwrap();
    to_postgres.aim(line.address);
    to_postgres.reset();
    says_until_acked(&mut alice, "a1", "on the new line").await;

    alice.say("lobby", "a2", LAST_WORDS).await;
    timeout(LIMIT, line.dead.notified()).await.expect("the line is dead");
    let died = Instant::now();
    says_until_acked(&mut bob, "b1", "can I?").await;
    println!("the next append was acknowledged {:.1?} after the line died", died.elapsed());
    assert!(died.elapsed() <= LOCKED, "{:?}", died.elapsed());

    let refused = alice.until(|frame| frame["id"] == "a2" && frame["type"] != "message").await;
    assert_eq!(refused["code"], "outcome_unknown", "{refused}");
    let ids = || cluster.log("lobby").into_iter().map(|said| said.id).collect::<Vec<_>>();
    assert_eq!(ids(), ["a1", "b1"], "half said is not said");
    // Other words of the same message would be refused, and these the line would not survive again.
    to_postgres.aim(postgres);
    to_postgres.reset();
    let again = says_until_acked(&mut alice, "a2", LAST_WORDS).await;
    assert_eq!((&again["seq"], &again["duplicate"]), (&json!(3), &json!(null)), "{again}");
    assert_eq!(ids(), ["a1", "b1", "a2"]);
}
