//! One room's order on one node: committed events go in as they are heard, they come out in the
//! log's order, each once.
//!
//! Pure: events, heads and the time go in, deliveries and ranges to repair come out. What it
//! promises, whatever is lost, doubled, late or reordered before it:
//! - it delivers `seq` 1 after another, never one twice, never one out of order;
//! - as long as somebody answers its repairs, it delivers everything that it ever heard exists;
//! - it holds at most [`HELD_EVENTS`] events and [`HELD_BYTES`] bytes;
//! - when the log contradicts what was delivered, or does not keep what comes next, it says so instead of
//!   guessing, and asks for nothing that can't be had.

mod patience;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

pub use self::patience::Patience;
use crate::{
    domain::{ClientId, Event, Position, RoomId, Seq},
    store::{Head, Missing},
    tally::closed_set,
};

/// Most events held while an earlier one is missing; beyond it the later ones are dropped here
/// and come back by repair.
pub const HELD_EVENTS: usize = 1024;
/// Most bytes held, likewise.
pub const HELD_BYTES: usize = 1024 * 1024;
/// How many delivered ids are remembered to notice a log that changed under us.
const REMEMBERED: usize = 64;

closed_set! {
    /// The log does not go on from what this room was told: its members must rejoin.
    pub enum Contradiction {
        /// It holds something else.
        Changed = "changed",
        /// It does not keep what comes next any more.
        Expired = "expired",
    }
    counted as "chorus_sequencer_resets_total" by "cause":
        "Rooms that began anew, by cause: the log was `changed`, or what came next had `expired`"
}

/// The state of one room on one node.
#[derive(Debug, Clone)]
pub struct Sequencer {
    room: RoomId,
    /// `None` until the log has told where this node comes in.
    delivered: Option<Position>,
    /// Ids of the last delivered events, the newest at the back.
    recent: VecDeque<ClientId>,
    held: BTreeMap<Seq, Held>,
    held_bytes: usize,
    /// The highest number known to exist.
    known: Seq,
    gap_since: Option<Instant>,
}

/// An event that waits for an earlier one.
#[derive(Debug, Clone)]
struct Held {
    event: Arc<Event>,
    /// Since when what is missing before it has been known to be missing.
    since: Instant,
}

impl Sequencer {
    /// A room that has just got its first local member: what it hears waits until [`Self::start`].
    pub const fn new(room: RoomId) -> Self {
        Self {
            room,
            delivered: None,
            recent: VecDeque::new(),
            held: BTreeMap::new(),
            held_bytes: 0,
            known: Seq::ZERO,
            gap_since: None,
        }
    }

    /// The log's end as the primary tells it: this node delivers what comes after it. Answers
    /// what had been heard meanwhile and follows.
    pub fn start(&mut self, now: Instant, at: Position) -> Vec<Arc<Event>> {
        self.held = self.held.split_off(&at.seq.next());
        self.held_bytes = self.held.values().map(|held| held.event.weight()).sum();
        self.known = self.known.max(at.seq);
        self.recent = at.id.clone().into_iter().collect();
        self.delivered = Some(at);
        self.drain(now)
    }

    /// The last delivered event; `None` before [`Self::start`].
    pub const fn delivered(&self) -> Option<&Position> {
        self.delivered.as_ref()
    }

    /// Takes an event from wherever (own commit, bus, repair) and answers what can be delivered
    /// now, in order.
    ///
    /// # Errors
    /// `Changed` when an event that was delivered comes with another id.
    pub fn offer(&mut self, now: Instant, event: Arc<Event>) -> Result<Vec<Arc<Event>>, Contradiction> {
        self.known = self.known.max(event.seq);
        if let Some(delivered) = &self.delivered {
            if event.seq <= delivered.seq {
                return if self.told_at(event.seq).is_none_or(|id| *id == event.id) {
                    Ok(Vec::new())
                } else {
                    Err(Contradiction::Changed)
                };
            }
            if event.seq == delivered.seq.next() && self.held.is_empty() {
                self.pass(&event);
                self.watch_gap(now);
                return Ok(vec![event]);
            }
        }
        self.hold(now, event);
        Ok(self.drain(now))
    }

    /// Takes what the log says of itself: its end, and the id it holds where this node stands.
    ///
    /// # Errors
    /// When the log does not hold the delivered event: `Changed` if it holds another one or ends before (it was
    /// restored to an older state, or failed over with loss), `Expired` if it begins after it.
    pub fn check(&mut self, now: Instant, asked: Seq, head: &Head) -> Result<(), Contradiction> {
        let Some(delivered) = &self.delivered else { return Ok(()) };
        if head.last_seq < asked {
            return Err(Contradiction::Changed);
        }
        // If delivered went on while the answer was on its way, an id of the time is enough.
        let told = if asked == delivered.seq { delivered.id.as_ref() } else { self.told_at(asked) };
        match (told, &head.id_at) {
            (None, _) => {}
            (Some(told), Some(found)) if told == found => {}
            (Some(_), Some(_)) => return Err(Contradiction::Changed),
            // A log has no holes, so there is none at a number below its end only before its beginning.
            (Some(_), None) if asked < delivered.seq => {}
            (Some(_), None) => return Err(Contradiction::Expired),
        }
        self.known = self.known.max(head.last_seq);
        self.watch_gap(now);
        Ok(())
    }

    /// The range with everything that has been missing for at least `patience`: it should be read from
    /// the log, at once, or what is lost often would be waited for again and again.
    pub fn overdue(&self, now: Instant, patience: Duration) -> Option<Missing> {
        let delivered = self.delivered.as_ref()?;
        let since = self.gap_since?;
        if now.saturating_duration_since(since) < patience {
            return None;
        }
        let upto = if self.held.is_empty() { self.known } else { self.last_overdue(now, patience)? };
        Some(Missing { room: self.room, after: delivered.seq, upto })
    }

    /// Takes the first event that the log held of an overdue range.
    ///
    /// # Errors
    /// `Expired` when it is not the one that comes next: no repair would ever find that.
    pub fn check_repair(&self, first: Seq) -> Result<(), Contradiction> {
        let next = self.delivered.as_ref().map(|delivered| delivered.seq.next());
        if next.is_some_and(|next| first > next) { Err(Contradiction::Expired) } else { Ok(()) }
    }

    /// Since when something has been missing.
    pub const fn gap_since(&self) -> Option<Instant> {
        self.gap_since
    }

    /// The end of the last gap that has been one for so long.
    fn last_overdue(&self, now: Instant, patience: Duration) -> Option<Seq> {
        let mut next = self.delivered.as_ref()?.seq.next();
        let mut upto = None;
        for (seq, held) in &self.held {
            let overdue = now.saturating_duration_since(held.since) >= patience;
            if *seq != next && (overdue || upto.is_none()) {
                upto = Some(Seq(seq.0 - 1));
            }
            next = seq.next();
        }
        upto
    }

    /// The id that was delivered at this number, if it is remembered.
    fn told_at(&self, seq: Seq) -> Option<&ClientId> {
        let behind = self.delivered.as_ref()?.seq.0.saturating_sub(seq.0);
        let from_the_back = usize::try_from(behind).ok()?.checked_add(1)?;
        self.recent.get(self.recent.len().checked_sub(from_the_back)?)
    }

    fn hold(&mut self, now: Instant, event: Arc<Event>) {
        let (seq, weight) = (event.seq, event.weight());
        let since = self.held.get(&seq).map_or(now, |same| same.since);
        if let Some(same) = self.held.insert(seq, Held { event, since }) {
            self.held_bytes -= same.event.weight();
        }
        self.held_bytes += weight;
        while self.held.len() > HELD_EVENTS || self.held_bytes > HELD_BYTES {
            let Some((_, last)) = self.held.pop_last() else { break };
            self.held_bytes -= last.event.weight();
        }
    }

    /// Takes out what follows the delivered position without a gap.
    fn drain(&mut self, now: Instant) -> Vec<Arc<Event>> {
        let mut out = Vec::new();
        while let Some(delivered) = &self.delivered {
            let next = delivered.seq.next();
            let Some(Held { event, .. }) = self.held.remove(&next) else { break };
            self.held_bytes -= event.weight();
            self.pass(&event);
            out.push(event);
        }
        if !out.is_empty() {
            // The next gap is as old as what was heard beyond it, not as young as the end of this one.
            self.gap_since = self.held.values().next().map(|held| held.since);
        }
        self.watch_gap(now);
        out
    }

    fn pass(&mut self, event: &Event) {
        if self.recent.len() == REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back(event.id.clone());
        self.delivered = Some(Position::after(event));
    }

    fn watch_gap(&mut self, now: Instant) {
        let behind = self.delivered.as_ref().is_some_and(|delivered| self.known > delivered.seq);
        self.gap_since = if behind { self.gap_since.or(Some(now)) } else { None };
    }
}

#[cfg(test)]
impl Sequencer {
    /// For the model: all that tells this state from others, but for when things happened.
    pub(in crate::chat) fn distinguish(&self, hasher: &mut impl std::hash::Hasher) {
        use std::hash::Hash;
        (&self.delivered, &self.recent, self.known, self.gap_since.is_some()).hash(hasher);
        self.held.iter().for_each(|(seq, held)| (seq, &held.event.id).hash(hasher));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{MessageBody, Timestamp, UserId, Username};

    fn event(seq: u64) -> Arc<Event> {
        event_named(seq, &format!("id-{seq}"))
    }

    fn event_named(seq: u64, id: &str) -> Arc<Event> {
        Arc::new(Event {
            room: RoomId(1),
            seq: Seq(seq),
            id: ClientId::from_store(id),
            sender: UserId(1),
            username: Username::from_store("alice"),
            body: MessageBody::from_store("hello"),
            timestamp: Timestamp(0),
        })
    }

    fn at(seq: u64) -> Position {
        if seq == 0 { Position::START } else { Position::after(&event(seq)) }
    }

    fn started(seq: u64) -> Sequencer {
        let mut sequencer = Sequencer::new(RoomId(1));
        assert!(sequencer.start(Instant::now(), at(seq)).is_empty());
        sequencer
    }

    fn numbers(events: &[Arc<Event>]) -> Vec<u64> {
        events.iter().map(|event| event.seq.0).collect()
    }

    #[test]
    fn what_is_heard_before_the_start_waits() {
        let mut sequencer = Sequencer::new(RoomId(1));
        let now = Instant::now();
        for seq in [7, 6, 4, 9] {
            assert!(sequencer.offer(now, event(seq)).unwrap().is_empty());
        }
        assert_eq!(numbers(&sequencer.start(now, at(5))), [6, 7]);
        let missing = sequencer.overdue(now, Duration::ZERO).unwrap();
        assert_eq!((missing.after, missing.upto), (Seq(7), Seq(8)));
    }

    #[test]
    fn a_gap_becomes_overdue_and_a_repair_closes_it() {
        let mut sequencer = started(1);
        let now = Instant::now();
        assert!(sequencer.offer(now, event(4)).unwrap().is_empty());
        assert!(sequencer.overdue(now, Duration::from_millis(50)).is_none());
        let later = now + Duration::from_millis(50);
        let missing = sequencer.overdue(later, Duration::from_millis(50)).unwrap();
        assert_eq!((missing.after, missing.upto), (Seq(1), Seq(3)));
        assert_eq!(numbers(&sequencer.offer(later, event(2)).unwrap()), [2]);
        assert_eq!(numbers(&sequencer.offer(later, event(3)).unwrap()), [3, 4]);
        assert!(sequencer.gap_since().is_none());
    }

    #[test]
    fn gaps_that_age_together_are_repaired_together() {
        let mut sequencer = started(1);
        let (now, patience) = (Instant::now(), Duration::from_millis(50));
        // 2, 4 and 6 are lost; 9 has come only now, so 8 may still be on its way.
        for seq in [3, 5, 7] {
            assert!(sequencer.offer(now, event(seq)).unwrap().is_empty());
        }
        let later = now + patience;
        assert!(sequencer.offer(later, event(9)).unwrap().is_empty());
        let missing = sequencer.overdue(later, patience).unwrap();
        assert_eq!((missing.after, missing.upto), (Seq(1), Seq(6)));
        // A page of the answer: the rest is as overdue as it was.
        assert_eq!(numbers(&sequencer.offer(later, event(2)).unwrap()), [2, 3]);
        let missing = sequencer.overdue(later, patience).unwrap();
        assert_eq!((missing.after, missing.upto), (Seq(3), Seq(6)));
        for seq in [4, 6] {
            sequencer.offer(later, event(seq)).unwrap();
        }
        assert!(sequencer.overdue(later, patience).is_none(), "8 has its time too");
        assert_eq!(sequencer.gap_since(), Some(later));
    }

    #[test]
    fn a_head_tells_of_a_lost_last_event() {
        let mut sequencer = started(3);
        let now = Instant::now();
        let head = Head {
            room: RoomId(1),
            last_seq: Seq(5),
            id_at: Some(ClientId::from_store("id-3")),
        };
        sequencer.check(now, Seq(3), &head).unwrap();
        let missing = sequencer.overdue(now, Duration::ZERO).unwrap();
        assert_eq!((missing.after, missing.upto), (Seq(3), Seq(5)));
    }

    #[test]
    fn a_log_that_changed_is_noticed() {
        let now = Instant::now();
        let head = |last, id: Option<&str>| Head {
            room: RoomId(1),
            last_seq: Seq(last),
            id_at: id.map(ClientId::from_store),
        };
        let changed = Err(Contradiction::Changed);
        assert_eq!(started(3).check(now, Seq(3), &head(5, Some("other"))), changed);
        assert_eq!(started(3).check(now, Seq(3), &head(2, None)), changed);
        assert_eq!(started(0).check(now, Seq(0), &head(0, None)), Ok(()));
        let mut sequencer = started(3);
        assert_eq!(numbers(&sequencer.offer(now, event(4)).unwrap()), [4]);
        assert_eq!(sequencer.check(now, Seq(3), &head(4, Some("id-3"))), Ok(()), "an older answer");
        assert_eq!(sequencer.offer(now, event_named(3, "other")), Err(Contradiction::Changed));
        assert_eq!(sequencer.offer(now, event_named(4, "other")), Err(Contradiction::Changed));
    }

    #[test]
    fn what_is_no_longer_kept_is_not_asked_for_again_and_again() {
        let now = Instant::now();
        let head = |last| Head { room: RoomId(1), last_seq: Seq(last), id_at: None };
        assert_eq!(started(3).check(now, Seq(3), &head(9)), Err(Contradiction::Expired));
        // Nothing was told before the first, so only a repair can find that it is gone.
        let mut sequencer = started(0);
        assert_eq!(sequencer.check(now, Seq(0), &head(9)), Ok(()));
        assert_eq!(sequencer.check_repair(Seq(7)), Err(Contradiction::Expired));
        assert_eq!(sequencer.check_repair(Seq(1)), Ok(()));
        // What was delivered meanwhile may go while an answer is on its way.
        for seq in [1, 2] {
            sequencer.offer(now, event(seq)).unwrap();
        }
        assert_eq!(sequencer.check(now, Seq(1), &head(9)), Ok(()));
        assert_eq!(sequencer.check_repair(Seq(3)), Ok(()));
    }

    #[test]
    fn holding_is_bounded() {
        let mut sequencer = started(0);
        let now = Instant::now();
        let many = HELD_EVENTS as u64 + 500;
        for seq in 2..=many {
            sequencer.offer(now, event(seq)).unwrap();
        }
        assert!(sequencer.held.len() <= HELD_EVENTS);
        let first = sequencer.offer(now, event(1)).unwrap();
        assert_eq!(first.len(), HELD_EVENTS, "the first takes the place of the last");
        let missing = sequencer.overdue(now, Duration::ZERO).unwrap();
        assert_eq!(missing.upto, Seq(many), "what was dropped is asked for");
    }

    /// What may happen to a room: events heard in any order, several times or never, heads and
    /// repairs in between.
    #[derive(Debug, Clone)]
    enum Happening {
        Heard(u64),
        Head(u64),
        Repair,
    }

    fn history() -> impl Strategy<Value = (u64, u64, Vec<Happening>)> {
        (0u64..20, 1u64..60).prop_flat_map(|(start, more)| {
            let last = start + more;
            let happening = prop_oneof![
                6 => (1..=last).prop_map(Happening::Heard),
                1 => (start..=last).prop_map(Happening::Head),
                2 => Just(Happening::Repair),
            ];
            (Just(start), Just(last), prop::collection::vec(happening, 0..200))
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn every_history_is_delivered_in_order_once_and_whole((start, last, happenings) in history()) {
            let now = Instant::now();
            let mut sequencer = started(start);
            let mut told = Vec::new();
            let repair = |sequencer: &mut Sequencer, told: &mut Vec<u64>| {
                while let Some(missing) = sequencer.overdue(now, Duration::ZERO) {
                    for seq in missing.after.0 + 1..=missing.upto.0 {
                        told.extend(numbers(&sequencer.offer(now, event(seq)).unwrap()));
                    }
                }
            };
            for happening in happenings {
                match happening {
                    Happening::Heard(seq) => told.extend(numbers(&sequencer.offer(now, event(seq)).unwrap())),
                    Happening::Head(end) => {
                        let asked = sequencer.delivered().unwrap().clone();
                        let head = Head { room: RoomId(1), last_seq: Seq(end.max(asked.seq.0)), id_at: asked.id };
                        sequencer.check(now, asked.seq, &head).unwrap();
                    }
                    Happening::Repair => repair(&mut sequencer, &mut told),
                }
                prop_assert!(sequencer.held.len() <= HELD_EVENTS);
                let weights: usize = sequencer.held.values().map(|held| held.event.weight()).sum();
                prop_assert_eq!(sequencer.held_bytes, weights);
            }
            // The slow tick tells of the last one, however it was lost.
            let asked = sequencer.delivered().unwrap().clone();
            let head = Head { room: RoomId(1), last_seq: Seq(last), id_at: asked.id };
            sequencer.check(now, asked.seq, &head).unwrap();
            repair(&mut sequencer, &mut told);
            prop_assert_eq!(told, (start + 1..=last).collect::<Vec<_>>());
        }
    }
}
