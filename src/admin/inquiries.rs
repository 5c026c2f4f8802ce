//! Asks all other nodes something over the bus, and waits for those that live, for a bounded time.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tokio::{
    sync::{Semaphore, mpsc},
    time::{timeout, timeout_at},
};
use uuid::Uuid;

use crate::{
    chat::Chat,
    cluster::{
        Incarnation, Notice,
        inquiry::{Question, Reply, Request, Told},
    },
};

/// How long the others may take. Who has not answered by then was stopped, is cut off, or runs a
/// version that does not know the question.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);
/// Questions that may be open at once; more wait for these.
const AT_ONCE: usize = 8;
/// Answers to one question that may wait to be looked at.
const ANSWERS: usize = 64;

/// A node's answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) from: Incarnation,
    pub(super) what: Told,
    /// How long it took, there and back.
    pub(super) after: Duration,
}

/// What came of a question.
#[derive(Debug, Default)]
pub(super) struct Answers {
    pub(super) told: Vec<Answer>,
    /// Those that live, as far as is known, and said nothing.
    pub(super) silent: Vec<Incarnation>,
}

/// The questions that are open.
pub(super) struct Inquiries {
    chat: Arc<Chat>,
    open: Mutex<HashMap<Uuid, mpsc::Sender<Answer>>>,
    turns: Semaphore,
    began: Instant,
}

impl Inquiries {
    pub(super) fn new(chat: Arc<Chat>) -> Self {
        Self {
            chat,
            open: Mutex::default(),
            turns: Semaphore::new(AT_ONCE),
            began: Instant::now(),
        }
    }

    /// Asks, and waits until everybody who lives has answered or time is up.
    pub(super) async fn ask(&self, what: Request) -> Answers {
        let peers = self.chat.peers();
        let mut expected: HashSet<Incarnation> = peers.iter().map(|peer| peer.who).collect();
        let mut missing: HashSet<Incarnation> =
            peers.iter().filter(|peer| !peer.dead).map(|peer| peer.who).collect();
        let Ok(_turn) = timeout(PATIENCE, self.turns.acquire()).await else {
            return Answers { told: Vec::new(), silent: missing.into_iter().collect() };
        };
        let id = Uuid::new_v4();
        let (answer, mut coming) = mpsc::channel(ANSWERS);
        self.open.lock().insert(id, answer);
        let _open = Open { inquiries: self, id };
        let asked = Instant::now();
        self.chat.ring(Notice::Asked(Question { id, what }));
        let mut told = Vec::new();
        while !missing.is_empty() {
            let Ok(Some(answer)) = timeout_at((asked + PATIENCE).into(), coming.recv()).await else {
                break;
            };
            // What comes doubled, or from somebody unknown, does not count.
            if expected.remove(&answer.from) {
                missing.remove(&answer.from);
                let after = (self.began + answer.after).saturating_duration_since(asked);
                told.push(Answer { after, ..answer });
            }
        }
        let mut answers = Answers { told, silent: missing.into_iter().collect() };
        answers.told.sort_by_key(|answer| answer.from);
        answers.silent.sort();
        answers
    }

    /// Tells all others something, and waits for no answer.
    pub(super) fn tell(&self, what: Request) {
        self.chat.ring(Notice::Asked(Question { id: Uuid::new_v4(), what }));
    }

    /// An answer came, to a question of this node or of another.
    pub(super) fn hear(&self, from: Incarnation, reply: Reply) {
        if let Some(asker) = self.open.lock().get(&reply.to) {
            // What does not fit counts as silence.
            let _ = asker.try_send(Answer { from, what: reply.what, after: self.began.elapsed() });
        }
    }
}

/// Closes a question however its asker goes.
struct Open<'a> {
    inquiries: &'a Inquiries,
    id: Uuid,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.inquiries.open.lock().remove(&self.id);
    }
}
