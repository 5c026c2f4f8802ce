//! What other nodes ask of this one for their operators, and its answers.

use std::{collections::VecDeque, sync::Arc, time::Duration, time::Instant};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Desk;
use crate::{
    cluster::{
        Envelope, Notice,
        inquiry::{Question, Reply, Request, Told},
    },
    domain::{MessageBody, SignInId},
    tally::Dropped,
};

/// Questions that are known again: the bus may double one, and nobody is to hear an announcement twice.
const REMEMBERED: usize = 256;
/// Characters of an announcement: the most that any setting allows.
const LONGEST: usize = 4000;
/// The longest that others may be expected for.
const EXPECTED: Duration = Duration::from_mins(15);

impl Desk {
    /// Takes in what the others say until the node stops. Answers do not wait behind questions, which are for
    /// [`Desk::reply_to_all`]; what does not fit there is not answered.
    pub(super) async fn hear(
        self: Arc<Self>,
        mut heard: mpsc::Receiver<Envelope>,
        questions: mpsc::Sender<Question>,
        stop: CancellationToken,
    ) {
        let mut known: VecDeque<Uuid> = VecDeque::new();
        while let Some(Some(Envelope { from, notice })) = stop.run_until_cancelled(heard.recv()).await {
            match notice {
                Notice::Answered(reply) => self.inquiries.hear(from, reply),
                Notice::Asked(question) if from != self.parts.chat.me() && !known.contains(&question.id) => {
                    known.push_back(question.id);
                    if known.len() > REMEMBERED {
                        known.pop_front();
                    }
                    if questions.try_send(question).is_err() {
                        Dropped::DeskQueue.count(1);
                    }
                }
                _ => {}
            }
        }
    }

    /// Answers one question after the other until nobody can ask any more.
    pub(super) async fn reply_to_all(self: Arc<Self>, mut questions: mpsc::Receiver<Question>) {
        while let Some(Question { id, what }) = questions.recv().await {
            if let Some(what) = self.answer(what).await {
                self.parts.chat.ring(Notice::Answered(Reply { to: id, what }));
            }
        }
    }

    /// Nothing is answered to what is not understood.
    async fn answer(&self, what: Request) -> Option<Told> {
        Some(match what {
            Request::State => Told::State(Box::new(self.state().await)),
            Request::Sockets(wanted) => Told::Sockets(self.own_sockets(&wanted).await),
            Request::Announce { room, text } => {
                let text = MessageBody::parse(&text, LONGEST).ok()?;
                Told::Done(self.tell(room, text.as_str()).await)
            }
            Request::Expect { sids, full, mean, seconds } => {
                let within = Duration::from_secs(seconds).min(EXPECTED);
                let is_full = full.contains(&self.parts.chat.me().to_string());
                // The version before names no mean, only who is full.
                if let Some(enough) = mean.or(is_full.then_some(0)) {
                    let sids = sids.iter().filter_map(|sid| SignInId::parse(sid));
                    self.parts.sockets.moves().send_on(Instant::now(), within, enough, sids);
                }
                Told::Done(0)
            }
        })
    }
}
