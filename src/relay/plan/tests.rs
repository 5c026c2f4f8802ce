//! What the plan decides, case by case; [`histories`](super::histories) has what comes of it.

use super::*;
use crate::domain::{ClientId, MessageBody, UserId, Username};

pub(in crate::relay) fn event(room: RoomId, seq: u64) -> Event {
    Event {
        room,
        seq: Seq(seq),
        id: ClientId::parse(&format!("id{seq}")).unwrap(),
        sender: UserId(1),
        username: Username::parse("alice").unwrap(),
        body: MessageBody::from_store("text"),
        timestamp: Timestamp(i64::try_from(seq).unwrap()),
    }
}

pub(in crate::relay) fn behind(room: RoomId, cursor: u64, last: u64) -> Behind {
    let (cursor, last_seq) = (Seq(cursor), Seq(last));
    Behind {
        room,
        name: RoomName::lobby(),
        cursor,
        told: cursor,
        last_seq,
        since: Some(Timestamp(1)),
    }
}

fn seqs(batch: &[Next]) -> Vec<(i64, u64, u64)> {
    batch.iter().map(|next| (next.event.room.0, next.prev.0, next.event.seq.0)).collect()
}

fn plan(found: &[(i64, u64, u64)]) -> Plan {
    let mut plan = Plan::new(Limits::default());
    for (id, cursor, last) in found {
        plan.found(behind(RoomId(*id), *cursor, *last));
    }
    plan
}

/// What is read of these ranges when nothing was deleted.
fn all_of(ranges: &[Missing]) -> Vec<Event> {
    let of = |range: &Missing| {
        (range.after.0 + 1..=range.upto.0).map(|seq| event(range.room, seq)).collect::<Vec<_>>()
    };
    ranges.iter().flat_map(of).collect()
}

fn next_batch(plan: &mut Plan, now: Instant) -> Vec<Next> {
    let ranges = plan.ranges(now);
    let read = all_of(&ranges);
    plan.batch(&ranges, read, now, 1.0)
}

#[test]
fn what_follows_a_refused_event_comes_again_after_it() {
    use Fate::{Confirmed, Refused};
    let (mut plan, now) = (plan(&[(1, 4, 8), (2, 0, 1)]), Instant::now());
    let batch = next_batch(&mut plan, now);
    assert_eq!(seqs(&batch), [(1, 4, 5), (1, 5, 6), (1, 6, 7), (1, 7, 8), (2, 0, 1)]);
    let fates = [Confirmed, Refused, Confirmed, Confirmed, Confirmed];
    let settled = plan.settle(&batch, &fates, now, || 1.0);
    assert_eq!(settled.moves, [(RoomId(1), Seq(5)), (RoomId(2), Seq(1))]);
    assert_eq!(settled.tally, Tally { confirmed: 2, again: 3, ..Tally::default() });
    assert_eq!(plan.ranges(now), [], "it waits");
    let later = plan.next_due().unwrap();
    assert_eq!(later - now, Duration::from_millis(100));
    let batch = next_batch(&mut plan, later);
    assert_eq!(seqs(&batch), [(1, 5, 6)], "one at a time");
    plan.settle(&batch, &[Confirmed], later, || 1.0);
    assert_eq!(seqs(&next_batch(&mut plan, later)), [(1, 6, 7), (1, 7, 8)], "and then two");
}

#[test]
fn a_room_in_trouble_waits_longer_and_longer_and_no_other_with_it() {
    let (mut plan, mut now) = (plan(&[(1, 0, 1)]), Instant::now());
    let mut waits = Vec::new();
    for _ in 0..9 {
        plan.found(behind(RoomId(2), 0, 1));
        let batch = next_batch(&mut plan, now);
        assert_eq!(batch.len(), 2);
        let fate = |next: &Next| if next.event.room == RoomId(1) { Fate::Returned } else { Fate::Confirmed };
        let fates: Vec<_> = batch.iter().map(fate).collect();
        plan.settle(&batch, &fates, now, || 1.0);
        waits.push((plan.next_due().unwrap() - now).as_millis());
        now = plan.next_due().unwrap();
    }
    assert_eq!(waits, [100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]);
}

#[test]
fn rooms_come_in_turn_and_a_large_one_does_not_take_all() {
    let (mut plan, now) = (plan(&[(1, 0, 5_000), (2, 0, 5_000), (3, 0, 1)]), Instant::now());
    plan.limits = Limits { batch_events: 256, ..Limits::default() };
    let mut came = Vec::new();
    for _ in 0..4 {
        let batch = next_batch(&mut plan, now);
        came.push(batch[0].event.room.0);
        let fates = vec![Fate::Confirmed; batch.len()];
        plan.settle(&batch, &fates, now, || 1.0);
    }
    assert_eq!(came, [1, 2, 3, 2], "each in its turn");
}

#[test]
fn what_was_deleted_is_stepped_over_and_counted() {
    let (mut plan, now) = (plan(&[(1, 2, 1_000)]), Instant::now());
    let ranges = plan.ranges(now);
    assert_eq!((ranges[0].after, ranges[0].upto), (Seq(2), Seq(258)));
    assert_eq!(plan.batch(&ranges, vec![], now, 1.0), []);
    let ranges = plan.ranges(now);
    assert_eq!((ranges[0].after, ranges[0].upto), (Seq(2), Seq(1_000)), "further");
    let batch = plan.batch(&ranges, (900..=1_000).map(|seq| event(RoomId(1), seq)).collect(), now, 1.0);
    assert_eq!((batch.len(), &seqs(&batch)[..2]), (101, &[(1, 2, 900), (1, 900, 901)][..]));
    let settled = plan.settle(&batch, &vec![Fate::Confirmed; batch.len()], now, || 1.0);
    assert_eq!(settled.tally, Tally { confirmed: 101, deleted: 897, ..Tally::default() });
    assert_eq!(plan.lag(), (0, None));
}

#[test]
fn a_log_that_holds_nothing_where_it_should_is_asked_again_later() {
    let (mut plan, now) = (plan(&[(1, 2, 5)]), Instant::now());
    for _ in 0..2 {
        let ranges = plan.ranges(now);
        assert_eq!(plan.batch(&ranges, vec![], now, 1.0), []);
    }
    assert_eq!(plan.ranges(now), []);
    assert!(plan.next_due().is_some_and(|due| due > now));
}

#[test]
fn more_rooms_than_are_kept_in_mind_come_later() {
    let mut plan = Plan::new(Limits { rooms: 2, ..Limits::default() });
    let now = Instant::now();
    for id in 1..=3 {
        plan.found(behind(RoomId(id), 0, 1));
    }
    let batch = next_batch(&mut plan, now);
    assert_eq!(seqs(&batch), [(1, 0, 1), (2, 0, 1)]);
    plan.settle(&batch, &[Fate::Returned, Fate::Returned], now, || 1.0);
    plan.found(behind(RoomId(3), 0, 1));
    assert_eq!(seqs(&next_batch(&mut plan, now)), [(3, 0, 1)], "those in trouble make room");
    assert_eq!(plan.lag().0, 2);
}

#[test]
fn the_lag_tells_events_and_since_when() {
    let mut plan = plan(&[(1, 0, 5), (2, 0, 3)]);
    assert_eq!(plan.lag(), (8, Some(Timestamp(1))));
    let now = Instant::now();
    let batch = next_batch(&mut plan, now);
    let mut fates = vec![Fate::Confirmed; batch.len()];
    fates[3] = Fate::Unknown;
    plan.settle(&batch, &fates, now, || 1.0);
    assert_eq!(plan.lag(), (2, Some(Timestamp(3))), "two of the first room, after its third");
}

/// Waits of nothing, and the patience of a test.
fn patient(found: &[(i64, u64, u64)]) -> Plan {
    let mut plan = plan(found);
    let hour = Duration::from_hours(1);
    plan.limits.patience = Some(Patience { declined: 3, beside: 2, failing: hour, alone: 24 * hour });
    plan
}

#[test]
fn an_event_that_is_declined_while_others_are_taken_is_put_aside_and_the_next_one_says_so() {
    use Fate::{Confirmed, Declined, Held};
    let (mut plan, mut now) = (patient(&[(1, 4, 9)]), Instant::now());
    let batch = next_batch(&mut plan, now);
    let fates = [Confirmed, Declined(422), Held, Held, Held];
    let settled = plan.settle(&batch, &fates, now, || 1.0);
    assert_eq!(settled.moves, [(RoomId(1), Seq(5))]);
    assert_eq!(
        settled.tally,
        Tally { confirmed: 1, again: 1, ..Tally::default() },
        "held is not tried"
    );
    let mut given_up = Vec::new();
    for attempt in 2..=4 {
        now = plan.next_due().unwrap();
        plan.found(behind(RoomId(2), 0, 1));
        let batch = next_batch(&mut plan, now);
        assert_eq!(batch.len(), 2, "the other room goes on");
        let decline = |next: &Next| if next.event.room == RoomId(1) { Declined(422) } else { Confirmed };
        let settled = plan.settle(&batch, &batch.iter().map(decline).collect::<Vec<_>>(), now, || 1.0);
        assert_eq!(settled.given_up.is_empty(), attempt < 3, "attempt {attempt}");
        given_up.extend(settled.given_up);
        if !given_up.is_empty() {
            assert_eq!((settled.tally.dead, settled.tally.again), (1, 0));
            break;
        }
    }
    let GivenUp { event, told, attempts, fate } = &given_up[0];
    assert_eq!((event.seq, *told, *attempts, *fate), (Seq(6), Seq(5), 3, Declined(422)));
    let batch = next_batch(&mut plan, now);
    assert_eq!(
        seqs(&batch),
        [(1, 5, 7)],
        "at once, and what comes before it is what the sink has"
    );
    let settled = plan.settle(&batch, &[Confirmed], now, || 1.0);
    assert_eq!(settled.tally.deleted, 0, "nothing was deleted");
    assert_eq!(seqs(&next_batch(&mut plan, now))[0], (1, 7, 8));
}

#[test]
fn a_room_whose_cursor_is_beyond_what_was_told_goes_on_from_that() {
    let (mut plan, now) = (patient(&[]), Instant::now());
    plan.found(Behind { told: Seq(3), ..behind(RoomId(1), 5, 7) });
    assert_eq!(seqs(&next_batch(&mut plan, now)), [(1, 3, 6), (1, 6, 7)]);
}

#[test]
fn what_is_held_back_is_no_failure() {
    use Fate::{Confirmed, Held};
    let (mut plan, now) = (patient(&[(1, 0, 3)]), Instant::now());
    let batch = next_batch(&mut plan, now);
    plan.settle(&batch, &[Confirmed, Held, Held], now, || 1.0);
    assert_eq!(seqs(&next_batch(&mut plan, now)), [(1, 1, 2), (1, 2, 3)]);
}

#[test]
fn a_sink_that_asks_to_be_left_alone_is() {
    let (mut plan, now) = (patient(&[(1, 0, 3), (2, 0, 1)]), Instant::now());
    let batch = next_batch(&mut plan, now);
    let pause = Duration::from_secs(7);
    let fates = [Fate::Later(pause), Fate::Held, Fate::Held, Fate::Confirmed];
    plan.settle(&batch, &fates, now, || 1.0);
    plan.found(behind(RoomId(3), 0, 1));
    assert_eq!(plan.ranges(now), [], "no room goes on");
    assert_eq!(plan.next_due(), Some(now + pause));
    assert_eq!(seqs(&next_batch(&mut plan, now + pause)), [(3, 0, 1), (1, 0, 1)]);
}

#[test]
fn what_is_under_way_is_not_published_beside_itself() {
    let (mut plan, now) = (patient(&[(1, 0, 3), (2, 0, 1)]), Instant::now());
    plan.limits.batch_rooms = 1;
    let one = next_batch(&mut plan, now);
    let two = next_batch(&mut plan, now);
    assert_eq!((one[0].event.room, two[0].event.room), (RoomId(1), RoomId(2)));
    plan.found(behind(RoomId(1), 0, 4));
    assert_eq!((plan.ranges(now), plan.next_due()), (vec![], None));
    plan.settle(&one, &[Fate::Confirmed; 3], now, || 1.0);
    assert_eq!(seqs(&next_batch(&mut plan, now)), [(1, 3, 4)]);
}
