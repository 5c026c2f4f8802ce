//! The loop beside a log and a sink that do what a test tells them, on a clock that only waiting moves.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed},
};

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::time::timeout;
use uuid::Uuid;

use super::*;
use crate::{
    domain::{Event, RoomName, Seq},
    relay::{
        plan::tests::{behind, event},
        sink::{Fate, Lost},
    },
    store::{
        Appended, Candidate, DeadLetter, Fence, Head, LogId, Missing, NewEvent, Page, PutAside, Room, Slice,
        StoreError, Survey,
    },
};

/// How many rooms a step of a look is for.
const STEP: usize = 3;
/// More than is ever done in a test: whoever does that runs without a pause.
const MOST: usize = 10_000;

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    Look,
    Read,
    Publish,
    Close,
}

/// What happens in a test, and what has happened.
#[derive(Default)]
struct Script {
    /// So many rooms have one event each. They are numbered from 1.
    rooms: usize,
    looks_fail: AtomicBool,
    reads_fail: AtomicBool,
    /// The sink gives no word.
    hangs: AtomicBool,
    /// By which rooms are named.
    nudge: Nudge,
    done: Mutex<Vec<Deed>>,
    /// Whose event the sink has for certain.
    told: Mutex<BTreeSet<RoomId>>,
    /// By which lead a cursor was last moved.
    fence: AtomicI64,
}

impl Script {
    fn does(&self, deed: Deed) {
        let mut done = self.done.lock();
        done.push(deed);
        assert!(done.len() < MOST, "it does not pause");
    }

    fn count(&self, deed: Deed) -> usize {
        self.done.lock().iter().filter(|done| **done == deed).count()
    }

    fn has_told_all(&self) -> bool {
        self.told.lock().len() == self.rooms
    }
}

fn fails<T>(yes: bool, answer: T) -> Result<T> {
    if yes { Err(StoreError::Unavailable("it is away".to_owned())) } else { Ok(answer) }
}

#[async_trait]
impl Relaying for Script {
    async fn lead(&self, _: &str, _: Candidate) -> Result<Option<Lead>> {
        Ok(None)
    }

    async fn give_up_lead(&self, _: &str, _: Fence) -> Result<()> {
        Ok(())
    }

    async fn behind(&self, _: &str, among: Among<'_>) -> Result<Survey> {
        self.does(Deed::Look);
        let Among::After(after) = among else { return Ok(Survey::default()) };
        let first = after.map_or(1, |room| room.0 + 1);
        let rooms: Vec<RoomId> =
            (first..).take(STEP).map(RoomId).take_while(|room| self.is_room(*room)).collect();
        let next = rooms.last().copied().filter(|last| self.is_room(RoomId(last.0 + 1)));
        let told = self.told.lock();
        let behind = rooms.into_iter().filter(|room| !told.contains(room)).map(|room| behind(room, 0, 1));
        fails(self.looks_fail.load(Relaxed), Survey { behind: behind.collect(), next })
    }

    async fn move_cursors(&self, _: &str, fence: Fence, to: &[(RoomId, Seq)]) -> Result<bool> {
        self.fence.store(fence.0, Relaxed);
        self.told.lock().extend(to.iter().map(|(room, _)| *room));
        Ok(true)
    }

    async fn put_aside(&self, _: &str, _: Fence, _: &[DeadLetter]) -> Result<bool> {
        Ok(true)
    }

    async fn log_id(&self) -> Result<LogId> {
        Ok(lead(1).log)
    }

    async fn dead_letters(&self, _: u32) -> Result<Vec<PutAside>> {
        Ok(Vec::new())
    }
}

/// Of the log the relay reads what the sink has not, and nothing else.
#[async_trait]
impl Log for Script {
    async fn missing(&self, ranges: &[Missing], _: usize) -> Result<Vec<Event>> {
        self.does(Deed::Read);
        let read = ranges.iter().map(|range| event(range.room, 1)).collect();
        fails(self.reads_fail.load(Relaxed), read)
    }

    async fn create_room(&self, _: &RoomName) -> Result<Room> {
        unreachable!()
    }

    async fn room(&self, _: &RoomName) -> Result<Option<Room>> {
        unreachable!()
    }

    async fn rooms(&self, _: Option<&RoomName>, _: usize) -> Result<Vec<Room>> {
        unreachable!()
    }

    async fn append(&self, _: &[NewEvent]) -> Result<Vec<Appended>> {
        unreachable!()
    }

    async fn page(&self, _: RoomId, _: Slice, _: usize, _: usize) -> Result<Page> {
        unreachable!()
    }

    async fn heads(&self, _: &[(RoomId, Seq)]) -> Result<Vec<Head>> {
        unreachable!()
    }
}

impl Script {
    fn is_room(&self, room: RoomId) -> bool {
        usize::try_from(room.0).is_ok_and(|number| (1..=self.rooms).contains(&number))
    }
}

/// A line that takes everything, or hangs.
struct Line(Arc<Script>);

#[async_trait]
impl Sink for Line {
    fn name(&self) -> &'static str {
        "scripted"
    }

    async fn open(&mut self) -> Result<(), Lost> {
        Ok(())
    }

    async fn publish(&mut self, batch: &[Outgoing]) -> Published {
        self.0.does(Deed::Publish);
        if self.0.hangs.load(Relaxed) {
            std::future::pending::<()>().await;
        }
        Published { fates: vec![Fate::Confirmed; batch.len()], lost: None }
    }

    async fn close(&mut self) {
        self.0.does(Deed::Close);
    }
}

fn lead(fence: i64) -> Lead {
    let log = LogId { chat: Uuid::nil(), epoch: Uuid::nil() };
    Lead { fence: Fence(fence), log }
}

/// Plays a script: the relay leads, until the test has seen what it wants to.
async fn play(script: &Arc<Script>, test: impl AsyncFnOnce(&watch::Sender<Option<Lead>>)) {
    let (leads, led) = watch::channel(Some(lead(1)));
    let name: Arc<str> = "scripted".into();
    let worker = Worker {
        store: Arc::<Script>::clone(script),
        log: Arc::<Script>::clone(script),
        clock: DbClock::new(),
        limits: Limits::default(),
        lines: vec![Box::new(Line(Arc::clone(script)))],
        led,
        nudge: script.nudge.clone(),
        counts: Counts::of(&name),
        name,
        stop: CancellationToken::new(),
    };
    tokio::select! {
        () = test(&leads) => {}
        () = worker.run() => panic!("nobody has stopped it"),
    }
}

/// Waits until this is so. Here a minute passes at once.
async fn until(what: &str, is_so: impl Fn() -> bool) {
    let looks = async {
        while !is_so() {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(Duration::from_mins(1), looks).await.unwrap_or_else(|_| panic!("{what}"));
}

#[tokio::test(start_paused = true)]
async fn a_look_goes_on_where_the_one_before_it_had_to_stop() {
    let rooms = 2 * LOOK_STEPS * STEP + 1;
    let script = Arc::new(Script { rooms, ..Script::default() });
    play(&script, async |_| until("all rooms are told", || script.has_told_all()).await).await;
    assert_eq!(script.count(Deed::Look), 2 * LOOK_STEPS + 1, "no room was looked at twice");
}

#[tokio::test(start_paused = true)]
async fn rooms_that_are_named_all_the_time_are_looked_up_at_a_pace() {
    let script = Arc::new(Script { rooms: 1, ..Script::default() });
    play(&script, async |_| {
        until("what was there is told", || script.has_told_all()).await;
        let before = script.count(Deed::Look);
        for _ in 0..5_000 {
            script.nudge.committed(RoomId(1));
            sleep(Duration::from_millis(1)).await;
        }
        let looks = script.count(Deed::Look) - before;
        // In five seconds: 20 a second, ten that are in reserve, and one a second for all rooms.
        assert!((110..=120).contains(&looks), "{looks} times");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_log_that_can_not_be_asked_is_asked_now_and_then() {
    let of = |deed, script: Script| (deed, Arc::new(Script { rooms: 1, ..script }));
    let yes = || AtomicBool::new(true);
    for (deed, script) in [
        of(Deed::Look, Script { looks_fail: yes(), ..Script::default() }),
        of(Deed::Read, Script { reads_fail: yes(), ..Script::default() }),
    ] {
        play(&script, async |_| {
            sleep(10 * LOOK).await;
            let asked = script.count(deed);
            assert!((5..=50).contains(&asked), "{deed:?}: {asked} times in ten seconds");
            script.looks_fail.store(false, Relaxed);
            script.reads_fail.store(false, Relaxed);
            until("what waited is told", || script.has_told_all()).await;
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_is_not_waited_for_when_another_node_leads() {
    let script = Arc::new(Script { rooms: 1, hangs: true.into(), ..Script::default() });
    play(&script, async |leads| {
        until("it is under way", || script.count(Deed::Publish) == 1).await;
        leads.send_replace(None);
        let lost = Instant::now();
        until("it is let go", || script.count(Deed::Close) == 1).await;
        assert!((DRAIN..DRAIN + LOOK).contains(&lost.elapsed()), "{:?}", lost.elapsed());
        assert!(!script.has_told_all(), "nobody knows whether the sink has it");
        script.hangs.store(false, Relaxed);
        leads.send_replace(Some(lead(2)));
        until("it is told under the next lead", || script.has_told_all()).await;
    })
    .await;
    assert_eq!(script.fence.load(Relaxed), 2);
}
