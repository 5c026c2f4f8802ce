//! One direction of one connection: read, held as its [`Way`] asks, written.
//!
//! Reading goes on while what was read before waits for its time, so a delay costs no throughput
//! until [`HELD`] pieces wait.

use std::{
    collections::VecDeque,
    io,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::tcp::{ReadHalf, WriteHalf},
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};

/// Most bytes of one piece.
const PIECE: usize = 16 * 1024;
/// Most pieces that wait in one direction; then the sender waits too.
pub const HELD: usize = 64;
/// A slow way writes this often, so that its bytes trickle.
const STEPS_PER_SECOND: u64 = 20;

/// What happens to bytes when their time has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Flow {
    /// They arrive.
    #[default]
    Open,
    /// They wait.
    Held,
    /// They vanish, and nobody is told.
    Swallowed,
    /// The receiver was told that nothing more comes; what comes vanishes.
    Ended,
}

/// How one direction behaves.
#[derive(Debug, Clone, Copy, Default)]
pub struct Way {
    /// How long after it came a byte may go on.
    pub delay: Duration,
    /// What happens then.
    pub flow: Flow,
    /// At most so many bytes a second.
    pub bytes_per_second: Option<u64>,
}

/// What was read, and when. Empty: the sender has ended its side.
struct Piece {
    came: Instant,
    bytes: Vec<u8>,
}

/// Carries one direction to its end; an error is a connection that must be reset.
pub(super) async fn carry(
    mut from: ReadHalf<'_>,
    to: WriteHalf<'_>,
    way: watch::Receiver<Way>,
    count: &AtomicU64,
) -> io::Result<()> {
    let (hold, waiting) = mpsc::channel(HELD);
    let reading = async {
        loop {
            let mut bytes = vec![0; PIECE];
            let length = from.read(&mut bytes).await?;
            bytes.truncate(length);
            let ended = bytes.is_empty();
            let piece = Piece { came: Instant::now(), bytes };
            if hold.send(piece).await.is_err() || ended {
                return Ok(());
            }
        }
    };
    let far_end = Writer { to, way, count, lost: false, told: false, free_at: None }.run(waiting);
    tokio::try_join!(reading, far_end).map(|_| ())
}

/// The far end of a direction.
struct Writer<'a> {
    to: WriteHalf<'a>,
    way: watch::Receiver<Way>,
    count: &'a AtomicU64,
    /// Something was swallowed.
    lost: bool,
    /// The receiver knows that nothing more comes.
    told: bool,
    /// When a slow way may write again.
    free_at: Option<Instant>,
}

impl Writer<'_> {
    async fn run(mut self, mut held: mpsc::Receiver<Piece>) -> io::Result<()> {
        loop {
            self.look().await?;
            tokio::select! {
                piece = held.recv() => match piece {
                    Some(piece) if piece.bytes.is_empty() => return self.end(piece).await,
                    Some(piece) => self.pass(piece).await?,
                    None => return Ok(()),
                },
                changed = self.way.changed() => if changed.is_err() { return Ok(()) },
            }
        }
    }

    /// Acts on what has changed while nothing came.
    async fn look(&mut self) -> io::Result<Way> {
        let way = *self.way.borrow_and_update();
        match way.flow {
            Flow::Ended if !self.told => {
                self.told = true;
                self.to.shutdown().await?;
            }
            // No connection goes on with bytes missing.
            Flow::Open | Flow::Held if self.lost => return Err(io::ErrorKind::ConnectionReset.into()),
            _ => {}
        }
        Ok(way)
    }

    /// Waits until what came then may arrive: `false` when it is to vanish.
    async fn may_pass(&mut self, came: Instant) -> io::Result<bool> {
        loop {
            let way = self.look().await?;
            let due = came + way.delay;
            match way.flow {
                Flow::Swallowed | Flow::Ended => return Ok(false),
                Flow::Open if due <= Instant::now() => return Ok(true),
                Flow::Open => tokio::select! {
                    () = sleep_until(due) => {}
                    changed = self.way.changed() => changed.map_err(|_| io::ErrorKind::ConnectionReset)?,
                },
                Flow::Held => self.way.changed().await.map_err(|_| io::ErrorKind::ConnectionReset)?,
            }
        }
    }

    async fn pass(&mut self, piece: Piece) -> io::Result<()> {
        let mut left = VecDeque::from(piece.bytes);
        while !left.is_empty() {
            if !self.may_pass(piece.came).await? {
                self.lost |= !self.told;
                return Ok(());
            }
            let Some(length) = self.step(left.len()).await else { continue };
            let bytes: Vec<u8> = left.drain(..length).collect();
            self.to.write_all(&bytes).await?;
            self.count.fetch_add(length as u64, Ordering::Relaxed);
        }
        Ok(())
    }

    /// How many bytes may be written now; `None` after a wait, because the way may have changed.
    async fn step(&mut self, length: usize) -> Option<usize> {
        let Some(rate) = self.way.borrow().bytes_per_second else {
            return Some(length);
        };
        let now = Instant::now();
        if let Some(free_at) = self.free_at.filter(|at| *at > now) {
            tokio::select! {
                () = sleep_until(free_at) => {}
                _ = self.way.changed() => {}
            }
            return None;
        }
        let most = usize::try_from((rate / STEPS_PER_SECOND).max(1)).unwrap_or(usize::MAX);
        let length = length.min(most);
        self.free_at =
            Some(now + Duration::from_secs(length as u64) / u32::try_from(rate.max(1)).unwrap_or(u32::MAX));
        Some(length)
    }

    /// The sender has ended its side: the receiver is told when its time has come.
    async fn end(mut self, last: Piece) -> io::Result<()> {
        if self.may_pass(last.came).await? {
            return self.to.shutdown().await;
        }
        Ok(())
    }
}
