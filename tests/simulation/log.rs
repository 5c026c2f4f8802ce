//! The database of a run: one log that all nodes share, and each node's line to it.
//!
//! What `append` does is what `chorus_append` does on PostgreSQL: a batch is one step that nothing comes
//! between; in each room it finds the sender's id or gives the next number. `tests/store_contract.rs` holds the
//! real stores to the same. Pages are short, which the contract allows, so that everybody reads several.
//!
//! The line is slow, loses answers (also to what was done) and refuses, as the dice fall. What is asked is done
//! within [`LIMIT`] or never: the stores' own time limits promise that.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use chorus::{
    domain::{Event, RoomId, RoomName, Seq, Timestamp, UserId, Username},
    shutdown::Tasks,
    store::{Appended, Head, Log, Missing, NewEvent, Page, Result, Room, Slice, StoreError},
};
use parking_lot::Mutex;
use tokio::{
    sync::oneshot,
    time::{sleep, timeout},
};

use crate::{
    dice::{Dice, Trace},
    plan::{Broken, Weather},
};

/// The longest any call takes.
const LIMIT: Duration = Duration::from_millis(1800);
/// The longest page, and the most of a repair.
const PAGE: usize = 4;

/// The log itself.
pub(crate) struct SharedLog {
    rooms: Mutex<BTreeMap<RoomId, Vec<Event>>>,
    names: Vec<RoomName>,
    broken: Broken,
    trace: Trace,
}

impl SharedLog {
    pub(crate) fn new(names: Vec<RoomName>, broken: Broken, trace: Trace) -> Arc<Self> {
        let rooms = (0..names.len()).map(|n| (room_id(n), Vec::new())).collect();
        Arc::new(Self { rooms: Mutex::new(rooms), names, broken, trace })
    }

    /// What stands at a number.
    pub(crate) fn at(&self, room: usize, seq: u64) -> Option<Event> {
        let rooms = self.rooms.lock();
        let log = &rooms[&room_id(room)];
        let at = log.binary_search_by_key(&seq, |event| event.seq.0).ok()?;
        log.get(at).cloned()
    }

    /// The number of the newest event.
    pub(crate) fn end(&self, room: usize) -> u64 {
        last(&self.rooms.lock()[&room_id(room)]).0
    }

    fn append(&self, batch: &[NewEvent]) -> Vec<Appended> {
        let mut rooms = self.rooms.lock();
        let each = |new: &NewEvent| {
            let Some(log) = rooms.get_mut(&new.room) else { return Appended::RoomGone };
            let same = |event: &&Event| event.sender == new.sender && event.id == new.id;
            if let Some(first) = log.iter().find(same).filter(|_| self.broken != Broken::TakesRetriesAsNew) {
                if first.body != new.body {
                    return Appended::Conflict;
                }
                return Appended::Again { seq: first.seq, timestamp: first.timestamp };
            }
            let mut seq = last(log).next();
            if self.broken == Broken::SkipsNumbers && seq.0.is_multiple_of(5) {
                seq = seq.next();
            }
            let event = event(new, seq);
            let timestamp = event.timestamp;
            if self.broken != Broken::ForgetsCommits || !seq.0.is_multiple_of(5) {
                self.trace.note(format!("committed {} in {:?} as {}", event.id.as_str(), new.room, seq.0));
                log.push(event);
            }
            Appended::New { seq, timestamp }
        };
        batch.iter().map(each).collect()
    }

    fn page(&self, room: RoomId, slice: Slice, limit: usize) -> Page {
        let rooms = self.rooms.lock();
        let Some(log) = rooms.get(&room) else { return Page::default() };
        let limit = limit.min(PAGE);
        let (events, has_more): (Vec<_>, bool) = match slice {
            Slice::After(after) => {
                let rest: Vec<_> = log.iter().filter(|event| event.seq > after).collect();
                (rest.iter().take(limit).copied().cloned().collect(), rest.len() > limit)
            }
            Slice::Before(before) => newest(log.iter().filter(|event| event.seq < before), limit),
            Slice::Newest => newest(log.iter(), limit),
        };
        Page { events, last_seq: last(log), has_more }
    }

    fn missing(&self, ranges: &[Missing]) -> Vec<Event> {
        if self.broken == Broken::RepairsNothing {
            return Vec::new();
        }
        let rooms = self.rooms.lock();
        let of_range = |range: &Missing| {
            let log = rooms.get(&range.room).into_iter().flatten();
            let inside = log.filter(|event| event.seq > range.after && event.seq <= range.upto);
            inside.take(PAGE).cloned().collect::<Vec<_>>()
        };
        ranges.iter().flat_map(of_range).collect()
    }

    fn heads(&self, at: &[(RoomId, Seq)]) -> Vec<Head> {
        let rooms = self.rooms.lock();
        let head = |(room, seq): &(RoomId, Seq)| {
            let log = rooms.get(room)?;
            let id_at = log.iter().find(|event| event.seq == *seq).map(|event| event.id.clone());
            let last_seq = if self.broken == Broken::HidesItsEnd { *seq } else { last(log) };
            Some(Head { room: *room, last_seq, id_at })
        };
        at.iter().filter_map(head).collect()
    }
}

pub(crate) fn room_id(room: usize) -> RoomId {
    RoomId(i64::try_from(room).unwrap() + 1)
}

fn last(log: &[Event]) -> Seq {
    log.last().map_or(Seq::ZERO, |event| event.seq)
}

fn newest<'a>(events: impl DoubleEndedIterator<Item = &'a Event>, limit: usize) -> (Vec<Event>, bool) {
    let mut back = events.rev();
    let mut page: Vec<Event> = back.by_ref().take(limit).cloned().collect();
    page.reverse();
    (page, back.next().is_some())
}

fn event(new: &NewEvent, seq: Seq) -> Event {
    Event {
        room: new.room,
        seq,
        id: new.id.clone(),
        sender: new.sender,
        username: name_of(new.sender),
        body: new.body.clone(),
        timestamp: Timestamp(i64::try_from(seq.0).unwrap()),
    }
}

pub(crate) fn name_of(user: UserId) -> Username {
    Username::from_store(format!("user{}", user.0))
}

/// One node's line to the log.
pub(crate) struct LogLine {
    log: Arc<SharedLog>,
    server: Tasks,
    weather: Arc<Weather>,
    dice: Mutex<Dice>,
}

/// What becomes of one call.
struct Fate {
    there: Duration,
    back: Duration,
    refused: bool,
    answer_lost: bool,
}

impl LogLine {
    pub(crate) const fn new(log: Arc<SharedLog>, server: Tasks, weather: Arc<Weather>, dice: Dice) -> Self {
        Self { log, server, weather, dice: Mutex::new(dice) }
    }

    fn fate(&self) -> Fate {
        let (mut dice, log) = (self.dice.lock(), self.weather.log());
        let slow = dice.chance(log.slow);
        let most = if slow { 800 } else { 4 };
        Fate {
            there: dice.ms(0, most),
            back: dice.ms(0, most),
            refused: dice.chance(log.refused),
            answer_lost: dice.chance(log.answer_lost),
        }
    }

    /// A call: it goes on in the server, whatever becomes of whoever asked.
    async fn call<T: Send + 'static>(
        &self,
        effect: impl FnOnce(&SharedLog) -> T + Send + 'static,
    ) -> Result<T> {
        let fate = self.fate();
        let (tell, told) = oneshot::channel();
        let log = Arc::clone(&self.log);
        self.server.spawn("a call of the log", async move {
            sleep(fate.there).await;
            if fate.refused {
                let _ = tell.send(Err(StoreError::Unavailable("the dice fell so".into())));
                return;
            }
            let answer = effect(&log);
            sleep(fate.back).await;
            if fate.answer_lost {
                // Whoever asked waits until its own limit, or hears that the connection is gone.
                sleep(if fate.back.as_millis().is_multiple_of(2) { LIMIT } else { Duration::ZERO }).await;
                return;
            }
            let _ = tell.send(Ok(answer));
        });
        let lost = || StoreError::OutcomeUnknown("the dice fell so".into());
        timeout(LIMIT, told).await.map_err(|_| lost())?.map_err(|_| lost())?
    }
}

#[async_trait]
impl Log for LogLine {
    async fn create_room(&self, _: &RoomName) -> Result<Room> {
        Err(StoreError::Taken)
    }

    async fn room(&self, name: &RoomName) -> Result<Option<Room>> {
        let Some(room) = self.log.names.iter().position(|known| known == name) else {
            return Ok(None);
        };
        let name = name.clone();
        self.call(move |log| {
            let last_seq = Seq(log.end(room));
            Some(Room { id: room_id(room), name, last_seq, last_timestamp: None })
        })
        .await
    }

    async fn rooms(&self, _: Option<&RoomName>, _: usize) -> Result<Vec<Room>> {
        Ok(Vec::new())
    }

    async fn append(&self, batch: &[NewEvent]) -> Result<Vec<Appended>> {
        let batch = batch.to_vec();
        self.call(move |log| log.append(&batch)).await
    }

    async fn page(&self, room: RoomId, slice: Slice, limit: usize, _: usize) -> Result<Page> {
        self.call(move |log| log.page(room, slice, limit)).await
    }

    async fn missing(&self, ranges: &[Missing], _: usize) -> Result<Vec<Event>> {
        let ranges = ranges.to_vec();
        self.call(move |log| log.missing(&ranges)).await
    }

    async fn heads(&self, at: &[(RoomId, Seq)]) -> Result<Vec<Head>> {
        let at = at.to_vec();
        self.call(move |log| log.heads(&at)).await
    }
}
