//! What Redis tells a node, told badly: notices come twice, late, out of order, or never.
//!
//! A line between a node and Redis that reads the answers of Redis value by value. Answers to
//! commands pass in order and untouched. Notices (`message`, `smessage`) are held for a moment, and
//! then some are dropped, some doubled, all of them shuffled, and now and then one from long ago
//! comes again. By a generator of its own, so a run can be repeated as far as the network allows. Its
//! manners can change at any time; with [`Manners::GOOD`] notices pass in order and untouched, too.

use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{beside, line::Backoff};

/// How long notices are gathered before they are told in another order.
const GATHER: Duration = Duration::from_millis(40);
/// How many old ones are remembered, to be told again.
const REMEMBERED: usize = 64;
/// Most bytes of one answer; more is no answer of Redis that nodes ask for.
const MOST: usize = 8 * 1024 * 1024;

/// How badly it tells. Each is a part of all notices, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Manners {
    pub lost: f64,
    pub doubled: f64,
    pub repeated_late: f64,
    /// Notices that come within a moment are told in another order.
    pub shuffled: bool,
}

impl Manners {
    /// Everything is told as it is.
    pub const GOOD: Self = Self { lost: 0.0, doubled: 0.0, repeated_late: 0.0, shuffled: false };
}

/// A running line; dropped, it ends.
pub struct Gossip {
    address: SocketAddr,
    over: CancellationToken,
    /// Notices that were told badly so far.
    told: watch::Receiver<u64>,
    /// No notice is told at all.
    silent: Arc<AtomicBool>,
    manners: Arc<Mutex<Manners>>,
}

impl Gossip {
    pub async fn to(target: SocketAddr, manners: Manners) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let over = CancellationToken::new();
        let (tell, told) = watch::channel(0);
        let (until, silent) = (over.clone(), Arc::new(AtomicBool::new(false)));
        let manners = Arc::new(Mutex::new(manners));
        let (silenced, shared) = (silent.clone(), manners.clone());
        let accepting = async move {
            while let Ok((node, _)) = listener.accept().await {
                let (tell, until, silent) = (tell.clone(), until.clone(), silenced.clone());
                let manners = shared.clone();
                beside(async move {
                    let carried = carry(node, target, manners, tell, silent);
                    let _ = until.run_until_cancelled(carried).await;
                });
            }
        };
        let until = over.clone();
        beside(async move { until.run_until_cancelled(accepting).await });
        Self { address, over, told, silent, manners }
    }

    /// From now on it tells like this.
    pub fn behave(&self, manners: Manners) {
        *self.manners.lock() = manners;
    }

    /// Tells no notice at all, or goes on as before.
    pub fn be_silent(&self, silent: bool) {
        self.silent.store(silent, Ordering::Relaxed);
    }

    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Notices that were dropped, doubled, moved or told again so far.
    pub fn told_badly(&self) -> u64 {
        *self.told.borrow()
    }
}

impl Drop for Gossip {
    fn drop(&mut self) {
        self.over.cancel();
    }
}

async fn carry(
    node: TcpStream,
    target: SocketAddr,
    manners: Arc<Mutex<Manners>>,
    tell: watch::Sender<u64>,
    silent: Arc<AtomicBool>,
) -> io::Result<()> {
    let server = TcpStream::connect(target).await?;
    let _ = (node.set_nodelay(true), server.set_nodelay(true));
    let ((mut from_node, to_node), (from_server, mut to_server)) = (node.into_split(), server.into_split());
    let teller = Teller {
        to: to_node,
        manners,
        chance: Backoff::of("gossip"),
        held: Vec::new(),
        past: VecDeque::new(),
        tell,
        silent,
    };
    // Whichever ends first ends the other.
    tokio::select! {
        asked = tokio::io::copy(&mut from_node, &mut to_server) => asked.map(|_| ()),
        told = teller.run(from_server) => told,
    }
}

struct Teller {
    to: OwnedWriteHalf,
    manners: Arc<Mutex<Manners>>,
    chance: Backoff,
    held: Vec<Vec<u8>>,
    past: VecDeque<Vec<u8>>,
    tell: watch::Sender<u64>,
    silent: Arc<AtomicBool>,
}

impl Teller {
    async fn run(mut self, mut from: OwnedReadHalf) -> io::Result<()> {
        let mut bytes = Vec::new();
        let mut until: Option<Instant> = None;
        loop {
            while let Some(length) = value(&bytes) {
                let answer: Vec<u8> = bytes.drain(..length).collect();
                if is_notice(&answer) && self.is_rude() {
                    self.held.push(answer);
                    until = until.or_else(|| Some(Instant::now() + GATHER));
                } else {
                    self.to.write_all(&answer).await?;
                }
            }
            if bytes.len() > MOST {
                return Err(io::ErrorKind::InvalidData.into());
            }
            // Said here too, because a line that is never silent never comes to its limit.
            if until.is_some_and(|at| at <= Instant::now()) {
                until = None;
                self.tell_held().await?;
            }
            let reading = from.read_buf(&mut bytes);
            let read = match until {
                Some(at) => timeout_at(at, reading).await,
                None => Ok(reading.await),
            };
            match read {
                Ok(Ok(0)) => return Ok(()),
                Ok(read) => {
                    read?;
                }
                Err(_) => {}
            }
        }
    }

    async fn tell_held(&mut self) -> io::Result<()> {
        let mut told = Vec::new();
        let mut badly = 0;
        let (silent, manners) = (self.is_silent(), *self.manners.lock());
        for notice in std::mem::take(&mut self.held) {
            if silent || self.happens(manners.lost) {
                badly += 1;
                continue;
            }
            if self.happens(manners.doubled) {
                badly += 1;
                told.push(notice.clone());
            }
            if self.happens(manners.repeated_late) {
                badly += 1;
                told.extend(self.past.front().cloned());
            }
            self.past.push_back(notice.clone());
            if self.past.len() > REMEMBERED {
                self.past.pop_front();
            }
            told.push(notice);
        }
        // Fisher and Yates.
        let last = if manners.shuffled { told.len() } else { 0 };
        for at in (1..last).rev() {
            let other = (0..=at).rev().find(|_| self.happens(0.3)).unwrap_or(at);
            badly += u64::from(other != at);
            told.swap(at, other);
        }
        self.tell.send_modify(|count| *count += badly);
        self.to.write_all(&told.concat()).await
    }

    fn is_silent(&self) -> bool {
        self.silent.load(Ordering::Relaxed)
    }

    /// Notices do not simply pass, or do not pass those that still wait.
    fn is_rude(&self) -> bool {
        !self.held.is_empty() || self.is_silent() || *self.manners.lock() != Manners::GOOD
    }

    fn happens(&mut self, part: f64) -> bool {
        self.chance.part() < part
    }
}

/// Whether it is something that was published.
fn is_notice(answer: &[u8]) -> bool {
    let kind = answer.splitn(4, |byte| *byte == b'\n').nth(2).unwrap_or_default();
    matches!(answer.first(), Some(b'*' | b'>')) && matches!(kind, b"message\r" | b"smessage\r")
}

/// The length of the first whole value of the protocol (2 or 3), if it is there.
fn value(bytes: &[u8]) -> Option<usize> {
    let end = bytes.windows(2).position(|pair| pair == b"\r\n")? + 2;
    let number = || std::str::from_utf8(&bytes[1..end - 2]).ok()?.parse::<i64>().ok();
    match bytes[0] {
        b'$' | b'=' | b'!' => {
            let length = usize::try_from(number()?);
            let whole = length.map_or(end, |length| end + length + 2);
            (bytes.len() >= whole).then_some(whole)
        }
        b'*' | b'>' | b'~' => values(bytes, end, number()?),
        b'%' => values(bytes, end, 2 * number()?),
        _ => Some(end),
    }
}

/// The length with so many values that follow.
fn values(bytes: &[u8], mut at: usize, count: i64) -> Option<usize> {
    for _ in 0..count {
        at += value(&bytes[at..])?;
    }
    Some(at)
}

#[test]
fn values_are_told_apart() {
    let message = b">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$4\r\na\r\nb\r\n+OK\r\n";
    let length = value(message).unwrap();
    assert_eq!(&message[length..], b"+OK\r\n");
    assert!(is_notice(&message[..length]));
    assert!(value(&message[..length - 1]).is_none());
    let answer = b">3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n";
    assert_eq!(value(answer), Some(answer.len()));
    assert!(!is_notice(answer));
    let map = b"%1\r\n+a\r\n*2\r\n:1\r\n$-1\r\n_\r\n";
    assert_eq!(value(map), Some(map.len() - 3));
}
