//! Group commit: what is said while one commit is under way becomes the next one.
//!
//! Rooms are spread over a few lanes; each lane has one batch in flight. There is no timer: an
//! idle node commits at once, a busy one commits as much as has gathered. An answer means the
//! event is on disk. Nothing waits longer than [`LIMIT`]: then the sender is told `unavailable`
//! (nothing was done) or `outcome_unknown` (ask again with the same id).

mod lane;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use metrics::{Gauge, Unit};
use tokio::sync::mpsc;
use tracing::Span;

use self::lane::Lane;
use crate::{
    cluster::Committed,
    domain::{Seq, Timestamp, Username},
    error::Refusal,
    shutdown::Tasks,
    store::{Log, NewEvent},
    tally::Limit,
};

/// How long an event may wait for its commit. Below the 2 s within which its sender must know, so that
/// the way of the frames fits in.
pub const LIMIT: Duration = Duration::from_millis(1800);
/// How many rooms' streams are committed side by side.
const LANES: usize = 4;
/// How many events may wait in a lane; one more is refused as `unavailable`.
const QUEUE: usize = 4096;
/// The largest batch.
const BATCH: usize = 512;
/// The pause before a failed commit is tried again.
const PAUSE: Duration = Duration::from_millis(50);

/// What the sender is told.
pub type Answer = Result<Place, Refusal>;

/// Where an event stands in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its number.
    pub seq: Seq,
    /// Its time.
    pub timestamp: Timestamp,
    /// Whether it had been committed before: this is the first answer again.
    pub duplicate: bool,
}

/// An event on its way into the log.
pub struct Entry {
    /// What to commit.
    pub event: NewEvent,
    /// The sender's name, for those it is delivered to.
    pub username: Username,
    /// Called once, after the commit or the refusal; must not block.
    pub answer: Box<dyn FnOnce(Answer) + Send + Sync>,
    /// When it was handed in.
    pub since: Instant,
    /// Lasts until it is answered.
    pub span: Span,
}

/// Where committed events go on: to the node's own rooms and to the other nodes.
#[async_trait::async_trait]
pub trait Outlet: Send + Sync + 'static {
    /// New events of one room, in order.
    async fn committed(&self, committed: Committed);
}

/// The lanes.
#[derive(Clone)]
pub struct LogWriter {
    lanes: Arc<[mpsc::Sender<Entry>]>,
    queued: Gauge,
}

/// Names and units of what is counted here, and each of it from zero.
pub(super) fn describe_metrics() {
    metrics::describe_gauge!("chorus_log_queue_events", "Messages that wait for the next commit");
    metrics::describe_histogram!("chorus_commit_batch_events", Unit::Count, "Messages committed together");
    metrics::describe_histogram!("chorus_commit_seconds", Unit::Seconds, "How long a batch took to commit");
    queued().set(0.0);
    let _ = metrics::histogram!("chorus_commit_batch_events");
    let _ = metrics::histogram!("chorus_commit_seconds");
}

fn queued() -> Gauge {
    metrics::gauge!("chorus_log_queue_events")
}

impl LogWriter {
    /// Starts the lanes.
    pub fn start(tasks: &Tasks, log: &Arc<dyn Log>, outlet: &Arc<dyn Outlet>) -> Self {
        let lanes = (0..LANES).map(|_| {
            let (queue, waiting) = mpsc::channel(QUEUE);
            let lane = Lane {
                log: Arc::clone(log),
                outlet: Arc::clone(outlet),
                queued: queued(),
                stopped: tasks.stopped().clone(),
            };
            tasks.spawn("log writer", lane.run(waiting));
            queue
        });
        Self { lanes: lanes.collect(), queued: queued() }
    }

    /// How many events wait.
    pub fn waiting(&self) -> usize {
        self.lanes.iter().map(|lane| lane.max_capacity() - lane.capacity()).sum()
    }

    /// Hands an event in. Its `answer` is called in any case.
    pub fn submit(&self, entry: Entry) {
        let lane = usize::try_from(entry.event.room.0.unsigned_abs()).unwrap_or(0) % self.lanes.len();
        let Some(lane) = self.lanes.get(lane) else { return };
        // Counted before a lane can take it.
        self.queued.increment(1.0);
        if let Err(error) = lane.try_send(entry) {
            self.queued.decrement(1.0);
            Limit::LogQueue.count(1);
            (error.into_inner().answer)(Err(Refusal::unavailable()));
        }
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;
    use tokio::sync::oneshot;

    use super::*;
    use crate::{
        domain::{ClientId, Event, MessageBody, RoomId, RoomName, UserId},
        error::Code,
        store::{Appended, Head, Missing, Page, Result, Room, Slice, StoreError},
    };

    /// A log that answers appends as it is told and counts them; the rest is not asked for.
    struct Told {
        appends: Mutex<Vec<usize>>,
        answer: fn(&[NewEvent]) -> Result<Vec<Appended>>,
    }

    #[async_trait::async_trait]
    impl Log for Told {
        async fn create_room(&self, _: &RoomName) -> Result<Room> {
            Err(StoreError::Taken)
        }
        async fn room(&self, _: &RoomName) -> Result<Option<Room>> {
            Ok(None)
        }
        async fn rooms(&self, _: Option<&RoomName>, _: usize) -> Result<Vec<Room>> {
            Ok(Vec::new())
        }
        async fn append(&self, batch: &[NewEvent]) -> Result<Vec<Appended>> {
            self.appends.lock().push(batch.len());
            if batch.iter().any(|event| event.id.as_str() == "hangs") {
                std::future::pending::<()>().await;
            }
            if batch.iter().any(|event| event.id.as_str() == "slow") {
                tokio::time::sleep(LIMIT / 15).await;
            }
            (self.answer)(batch)
        }
        async fn page(&self, _: RoomId, _: Slice, _: usize, _: usize) -> Result<Page> {
            Ok(Page::default())
        }
        async fn missing(&self, _: &[Missing], _: usize) -> Result<Vec<Event>> {
            Ok(Vec::new())
        }
        async fn heads(&self, _: &[(RoomId, Seq)]) -> Result<Vec<Head>> {
            Ok(Vec::new())
        }
    }

    #[derive(Default)]
    struct Heard(Mutex<Vec<String>>);

    #[async_trait::async_trait]
    impl Outlet for Heard {
        async fn committed(&self, committed: Committed) {
            self.0.lock().extend(committed.events.iter().map(|event| event.id.as_str().to_owned()));
        }
    }

    struct Scene {
        writer: LogWriter,
        log: Arc<Told>,
        heard: Arc<Heard>,
        tasks: Tasks,
    }

    fn scene(answer: fn(&[NewEvent]) -> Result<Vec<Appended>>) -> Scene {
        let (log, heard) = (Arc::new(Told { appends: Mutex::default(), answer }), Arc::new(Heard::default()));
        let (seam, outlet): (Arc<dyn Log>, Arc<dyn Outlet>) = (log.clone(), heard.clone());
        let tasks = Tasks::new();
        Scene {
            writer: LogWriter::start(&tasks, &seam, &outlet),
            log,
            heard,
            tasks,
        }
    }

    impl Scene {
        fn say_since(&self, id: &str, since: Instant) -> oneshot::Receiver<Answer> {
            let (told, answer) = oneshot::channel();
            self.writer.submit(Entry {
                event: NewEvent {
                    room: RoomId(1),
                    sender: UserId(1),
                    id: ClientId::from_store(id),
                    body: MessageBody::from_store("x"),
                },
                username: Username::from_store("alice"),
                answer: Box::new(move |answer| drop(told.send(answer))),
                since,
                span: Span::none(),
            });
            answer
        }

        fn say(&self, id: &str) -> oneshot::Receiver<Answer> {
            self.say_since(id, Instant::now())
        }
    }

    fn code(answer: std::result::Result<Answer, oneshot::error::RecvError>) -> Code {
        answer.unwrap().unwrap_err().code
    }

    #[expect(clippy::unnecessary_wraps, reason = "it is one of the answers a log can give")]
    fn all_new(batch: &[NewEvent]) -> Result<Vec<Appended>> {
        let new = |n| Appended::New { seq: Seq(n), timestamp: Timestamp(0) };
        Ok((1..=batch.len() as u64).map(new).collect())
    }

    #[tokio::test]
    async fn only_the_bad_one_of_a_batch_is_refused() {
        let scene = scene(|batch| {
            if batch.iter().any(|event| event.id.as_str() == "bad") {
                return Err(StoreError::Rejected("on purpose".into()));
            }
            all_new(batch)
        });
        let answers: Vec<_> = ["a", "b", "bad", "c", "d"].map(|id| scene.say(id)).into();
        for (id, answer) in ["a", "b", "bad", "c", "d"].into_iter().zip(answers) {
            assert_eq!(answer.await.unwrap().is_ok(), id != "bad", "{id}");
        }
        assert_eq!(*scene.heard.0.lock(), ["a", "b", "c", "d"]);
        assert_eq!(scene.log.appends.lock()[0], 5, "what waits is one batch");
    }

    #[tokio::test]
    async fn a_log_that_can_not_commit_is_told_within_the_limit() {
        let down = scene(|_| Err(StoreError::Unavailable("on purpose".into())));
        let lost = scene(|_| Err(StoreError::OutcomeUnknown("on purpose".into())));
        let hangs = scene(all_new);
        let began = Instant::now();
        let (down_answer, lost_answer, hanging) = (down.say("a"), lost.say("a"), hangs.say("hangs"));
        assert_eq!(code(down_answer.await), Code::Unavailable);
        assert_eq!(code(lost_answer.await), Code::OutcomeUnknown);
        assert_eq!(code(hanging.await), Code::OutcomeUnknown);
        assert!(began.elapsed() < LIMIT * 2);
        assert!(lost.log.appends.lock().len() > 10, "it was tried again and again");
        assert!(lost.heard.0.lock().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_surely_not_done_is_not_tried_again_without_the_time_to_know() {
        let down = scene(|_| Err(StoreError::Unavailable("on purpose".into())));
        assert_eq!(code(down.say("slow").await), Code::Unavailable);
        assert!(down.log.appends.lock().len() > 5, "it was tried again and again");
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_parts_of_a_batch_that_is_halved_are_not_begun_without_that_time() {
        let scene = scene(|batch| match batch {
            [_] => all_new(batch),
            _ => Err(StoreError::Rejected("on purpose".into())),
        });
        let since = Instant::now().checked_sub(LIMIT * 4 / 9).unwrap();
        let waiting: Vec<_> = (0..16).map(|_| scene.say_since("slow", since)).collect();
        let mut told = Vec::new();
        for answer in waiting {
            told.push(answer.await.unwrap().map_err(|refusal| refusal.code));
        }
        assert!(told[0].is_ok(), "{told:?}");
        assert_eq!(told.last().unwrap().as_ref(), Err(&Code::Unavailable), "{told:?}");
        assert!(!told.contains(&Err(Code::OutcomeUnknown)), "{told:?}");
    }

    #[tokio::test]
    async fn a_node_that_stops_does_not_try_for_long_what_can_not_be_committed() {
        let down = scene(|_| Err(StoreError::Unavailable("on purpose".into())));
        let hangs = scene(all_new);
        for (scene, id, refusal) in [
            (down, "a", Code::Unavailable),
            (hangs, "hangs", Code::OutcomeUnknown),
        ] {
            let answer = scene.say(id);
            scene.say(id);
            tokio::task::yield_now().await;
            scene.tasks.stop();
            assert!(scene.tasks.join(LIMIT / 2).await, "{:?}", scene.tasks.running());
            assert_eq!(code(answer.await), refusal);
        }
    }

    #[tokio::test]
    async fn what_has_waited_too_long_is_not_begun() {
        let scene = scene(all_new);
        let late = Instant::now().checked_sub(LIMIT).unwrap();
        assert_eq!(code(scene.say_since("late", late).await), Code::Unavailable);
        assert!(scene.say("a").await.unwrap().is_ok());
        assert_eq!(*scene.log.appends.lock(), [1]);
    }

    #[tokio::test]
    async fn a_full_lane_refuses_at_once() {
        let scene = scene(all_new);
        let waiting: Vec<_> = (0..=QUEUE).map(|_| scene.say("hangs")).collect();
        let refused = waiting.into_iter().next_back().unwrap();
        assert_eq!(code(refused.await), Code::Unavailable);
    }
}
