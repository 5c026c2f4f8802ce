//! Whose this Redis is: of two chats that were given one by mistake, the second keeps out.
//!
//! Every node says again and again which chat it belongs to. The chat that was there first has the Redis
//! until none of its nodes has said so for [`KEPT`]; the nodes of any other write nothing into it, ring
//! no bell, and ignore what they hear. Before a node knows whose it is, it keeps out too, and likewise when
//! its own word has run out. When Redis comes back it is asked at once, and should it have come back empty
//! those that had it take it again at once: a stranger takes what is nobody's only when it is that for longer.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use fred::{
    clients::{Client, WithOptions},
    error::Error,
    interfaces::EventInterface,
};
use parking_lot::Mutex;
use tokio::time::{MissedTickBehavior, interval};

use super::{OpenError, scripts};
use crate::{
    cluster::{BusError, Heard, Result, queue::Queue},
    shutdown::Tasks,
};

/// How often a node says to which chat it belongs.
const EVERY: Duration = Duration::from_secs(2);
/// How long its word counts.
const KEPT: Duration = Duration::from_secs(30);
/// How often a node that was told that it is another chat's has to find it nobody's before it takes it. Those
/// that had it need one.
const VACANT: u32 = 4;

/// What one node knows of it.
pub(super) struct Claim {
    calls: WithOptions<Client>,
    key: String,
    chat: String,
    whose: Mutex<Whose>,
    /// Whether something was heard and ignored.
    ignored: AtomicBool,
    queue: Arc<Queue>,
}

/// The last answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// There was none yet.
    Unknown,
    /// It is this chat's, confirmed when that was asked.
    Ours(Instant),
    /// It is another chat's, or was, and has been found nobody's so often since then.
    Anothers { vacant: u32 },
}

impl Claim {
    pub(super) fn new(calls: WithOptions<Client>, key: String, chat: String, queue: Arc<Queue>) -> Arc<Self> {
        Arc::new(Self {
            calls,
            key,
            chat,
            whose: Mutex::new(Whose::Unknown),
            ignored: AtomicBool::default(),
            queue,
        })
    }

    /// Whether this node may use it.
    pub(super) fn admit(&self) -> Result<()> {
        match *self.whose.lock() {
            Whose::Ours(asked) if asked.elapsed() < KEPT => Ok(()),
            Whose::Anothers { .. } => Err(BusError::AnotherChat),
            Whose::Unknown | Whose::Ours(_) => {
                Err(BusError::Unreachable("Redis has not said yet whose it is".to_owned()))
            }
        }
    }

    /// Whether what is heard is said by nodes of this chat.
    pub(super) fn believes(&self) -> bool {
        let believes = self.admit().is_ok();
        if !believes {
            self.ignored.store(true, Ordering::Release);
        }
        believes
    }

    /// Says to which chat this node belongs, and takes the answer.
    pub(super) async fn ask(&self) -> Result<(), Error> {
        let asked = Instant::now();
        let before = *self.whose.lock();
        let waits = matches!(before, Whose::Anothers { vacant } if vacant + 1 < VACANT);
        let args = vec![
            self.chat.clone(),
            KEPT.as_millis().to_string(),
            u8::from(!waits).to_string(),
        ];
        let answer: i64 = scripts::CLAIM.run(&self.calls, vec![self.key.clone()], args).await?;
        let found = match (answer, before) {
            (1, _) => Whose::Ours(asked),
            (-1, Whose::Anothers { vacant }) => Whose::Anothers { vacant: vacant + 1 },
            _ => Whose::Anothers { vacant: 0 },
        };
        *self.whose.lock() = found;
        if answer == 1 && self.ignored.swap(false, Ordering::AcqRel) {
            self.queue.put(Heard::Interrupted);
        }
        if answer == 0 && !matches!(before, Whose::Anothers { .. }) {
            tracing::error!("this node keeps out of Redis: {}", OpenError::AnotherChat);
        }
        Ok(())
    }

    /// Asks until the tasks stop, and at once when Redis is back.
    pub(super) async fn keep(self: Arc<Self>, tasks: Tasks) {
        let mut back = Client::clone(&self.calls).reconnect_rx();
        let mut tick = interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let stopped = tasks.stopped().clone();
        loop {
            tokio::select! {
                Ok(_) = back.recv() => {}
                _ = tick.tick() => {}
                () = stopped.cancelled() => return,
            }
            if let Err(error) = self.ask().await {
                tracing::debug!(%error, "Redis does not say whose it is");
            }
        }
    }
}
