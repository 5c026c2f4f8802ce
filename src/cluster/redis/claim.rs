//! Whose this Redis is: of two chats that were given one by mistake, the second keeps out.
//!
//! Every node says again and again which chat it belongs to. The chat that was there first has the Redis
//! until none of its nodes has said so for [`KEPT`]; the nodes of any other write nothing into it, ring
//! no bell, and ignore what they hear. Before a node knows whose it is, it keeps out too. When Redis comes
//! back it is asked at once; a node that had it as its own goes on with it until the answer is there.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use fred::{
    clients::{Client, WithOptions},
    error::Error,
    interfaces::EventInterface,
};
use parking_lot::Mutex;
use tokio::time::{MissedTickBehavior, interval};

use super::scripts;
use crate::{
    cluster::{BusError, Heard, Result, queue::Queue},
    shutdown::Tasks,
};

/// How often a node says to which chat it belongs.
const EVERY: Duration = Duration::from_secs(2);
/// How long its word counts.
const KEPT: Duration = Duration::from_secs(30);

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
    /// It is this chat's.
    Ours,
    /// It is another chat's.
    Anothers,
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
            Whose::Ours => Ok(()),
            Whose::Anothers => Err(BusError::AnotherChat),
            Whose::Unknown => Err(BusError::Unreachable("Redis has not said yet whose it is".to_owned())),
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
        let args = vec![self.chat.clone(), KEPT.as_millis().to_string()];
        let ours: i64 = scripts::CLAIM.run(&self.calls, vec![self.key.clone()], args).await?;
        let found = if ours == 1 { Whose::Ours } else { Whose::Anothers };
        let before = std::mem::replace(&mut *self.whose.lock(), found);
        if found == Whose::Ours && self.ignored.swap(false, Ordering::AcqRel) {
            self.queue.put(Heard::Interrupted);
        }
        if found == Whose::Anothers && before != found {
            tracing::error!(
                "REDIS_URL names the Redis of another chat, which has another database; this node keeps out \
                 of it. Give each chat a Redis, or at least a database number, of its own"
            );
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
