//! Promises about how far other systems are: who may say so, and which rooms are found behind.

use std::{sync::Arc, time::Duration};

use chorus::{
    domain::{RoomId, Seq},
    store::{
        Among, Behind, Candidate, DEAD_LETTERS_MOST, DeadLetter, Lead, Missing, PutAside, StartAt, Store,
        Survey,
    },
};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::fixture::{any_room, fill, in_seconds, lobby, many_rooms, person, say};

const SINK: &str = "queue";
/// Longer than any test.
const LONG: Duration = Duration::from_mins(10);

/// Somebody who has not asked before.
pub(crate) fn candidate() -> Candidate {
    Candidate { me: Uuid::new_v4(), ttl: LONG, start_at: StartAt::Oldest }
}

async fn lead(store: &dyn Store, sink: &str) -> Lead {
    store.lead(sink, candidate()).await.unwrap().expect("nobody else leads")
}

/// All that is behind, by as many looks as it takes.
async fn all_behind(store: &dyn Store, sink: &str) -> Vec<Behind> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let look = store.behind(sink, Among::After(after)).await.unwrap();
        all.extend(look.behind);
        after = look.next;
        if after.is_none() {
            return all;
        }
    }
}

fn places(found: &[Behind]) -> Vec<(RoomId, u64, u64)> {
    found.iter().map(|behind| (behind.room, behind.cursor.0, behind.last_seq.0)).collect()
}

/// A room with so many events, by somebody of its own.
async fn room_of(store: &dyn Store, count: u64) -> RoomId {
    let room = any_room(store).await;
    let name = format!("p{}", &room.name.as_str()[1..20]);
    fill(store, room.id, person(store, &name).await, count).await;
    room.id
}

pub(crate) async fn who_leads_keeps_the_lead_and_each_taking_has_a_higher_number(store: &Arc<dyn Store>) {
    let (first, second) = (candidate(), candidate());
    let led = store.lead(SINK, first).await.unwrap().unwrap();
    assert_eq!(store.lead(SINK, first).await.unwrap(), Some(led), "it is prolonged");
    store.give_up_lead(SINK, led.fence).await.unwrap();
    let next = store.lead(SINK, second).await.unwrap().unwrap();
    assert!(next.fence > led.fence, "{next:?} after {led:?}");
    assert_eq!(
        (next.log.chat, next.log.epoch),
        (led.log.chat, led.log.epoch),
        "it is the same log"
    );
    store.give_up_lead(SINK, led.fence).await.unwrap();
    assert_eq!(
        store.lead(SINK, second).await.unwrap(),
        Some(next),
        "an old lead ends no new one"
    );
}

pub(crate) async fn without_the_lead_no_cursor_moves(store: &Arc<dyn Store>) {
    let room = room_of(&**store, 3).await;
    let old = lead(&**store, SINK).await;
    assert!(store.move_cursors(SINK, old.fence, &[(room, Seq(1))]).await.unwrap());
    store.give_up_lead(SINK, old.fence).await.unwrap();
    let new = lead(&**store, SINK).await;
    assert!(
        !store.move_cursors(SINK, old.fence, &[(room, Seq(3))]).await.unwrap(),
        "it has slept"
    );
    assert_eq!(places(&all_behind(&**store, SINK).await), [(room, 1, 3)]);
    assert!(!store.move_cursors("unheard-of", new.fence, &[(room, Seq(3))]).await.unwrap());
    assert!(store.move_cursors(SINK, new.fence, &[(room, Seq(3))]).await.unwrap());
    assert_eq!(all_behind(&**store, SINK).await, []);
}

pub(crate) async fn cursors_never_go_back(store: &Arc<dyn Store>) {
    let room = room_of(&**store, 5).await;
    let lead = lead(&**store, SINK).await;
    for seq in [4, 2, 0] {
        assert!(store.move_cursors(SINK, lead.fence, &[(room, Seq(seq))]).await.unwrap());
        assert_eq!(places(&all_behind(&**store, SINK).await), [(room, 4, 5)]);
    }
    assert!(store.move_cursors(SINK, lead.fence, &[]).await.unwrap(), "nothing is all right");
}

pub(crate) async fn rooms_that_are_behind_are_found_with_what_they_wait_for(store: &Arc<dyn Store>) {
    let (one, two) = (room_of(&**store, 3).await, room_of(&**store, 1).await);
    let silent = any_room(&**store).await.id;
    let lead = lead(&**store, SINK).await;
    assert_eq!(places(&all_behind(&**store, SINK).await), [(one, 0, 3), (two, 0, 1)]);
    assert!(store.move_cursors(SINK, lead.fence, &[(one, Seq(2)), (two, Seq(1))]).await.unwrap());
    let found = all_behind(&**store, SINK).await;
    assert_eq!(places(&found), [(one, 2, 3)]);
    let waits = store
        .missing(&[Missing { room: one, after: Seq(2), upto: Seq(3) }], 1 << 20)
        .await
        .unwrap();
    assert_eq!(found[0].since, Some(waits[0].timestamp));
    let these = store
        .behind(SINK, Among::These(&[silent, one, two, one, RoomId(i64::MAX)]))
        .await
        .unwrap();
    assert_eq!(these, Survey { behind: found, next: None });
    let name = store.rooms(None, 10).await.unwrap().into_iter().find(|room| room.id == one).unwrap().name;
    assert_eq!(these.behind[0].name, name);
}

pub(crate) async fn a_look_is_bounded_and_goes_on_where_it_ended(store: &Arc<dyn Store>) {
    let alice = person(&**store, "alice").await;
    many_rooms(store, 520).await;
    let rooms = store.rooms(None, 1_000).await.unwrap();
    for some in rooms.chunks(100) {
        let batch: Vec<_> = some.iter().map(|room| say(room.id, alice, "first", "text")).collect();
        store.append(&batch).await.unwrap();
    }
    let first = store.behind(SINK, Among::After(None)).await.unwrap();
    assert!(first.behind.len() < rooms.len() && first.next.is_some(), "{:?}", first.next);
    assert_eq!(first.next, first.behind.last().map(|behind| behind.room));
    let mut expected: Vec<_> = rooms.iter().map(|room| (room.id, 0, 1)).collect();
    expected.sort_unstable();
    assert_eq!(places(&all_behind(&**store, SINK).await), expected);
}

pub(crate) async fn a_new_sink_begins_at_the_oldest_or_now(store: &Arc<dyn Store>) {
    let room = room_of(&**store, 3).await;
    let now = Candidate { start_at: StartAt::Now, ..candidate() };
    store.lead("late", now).await.unwrap().unwrap();
    assert_eq!(all_behind(&**store, "late").await, []);
    store.lead("early", candidate()).await.unwrap().unwrap();
    assert_eq!(places(&all_behind(&**store, "early").await), [(room, 0, 3)]);
    let alice = person(&**store, "alice").await;
    store.append(&[say(room, alice, "next", "text")]).await.unwrap();
    // Where it began counts once: another start of the node changes nothing.
    store.lead("late", now).await.unwrap().unwrap();
    assert_eq!(places(&all_behind(&**store, "late").await), [(room, 3, 4)]);
}

pub(crate) async fn sinks_know_nothing_of_each_other(store: &Arc<dyn Store>) {
    let room = room_of(&**store, 2).await;
    let one = lead(&**store, "one").await;
    let other = lead(&**store, "other").await;
    assert!(store.move_cursors("one", one.fence, &[(room, Seq(2))]).await.unwrap());
    assert_eq!(all_behind(&**store, "one").await, []);
    assert_eq!(places(&all_behind(&**store, "other").await), [(room, 0, 2)]);
    assert_eq!((one.log.chat, one.log.epoch), (other.log.chat, other.log.epoch));
}

pub(crate) async fn what_was_deleted_before_it_was_told_is_stepped_over(store: &Arc<dyn Store>) {
    let room = room_of(&**store, 5).await;
    lead(&**store, SINK).await;
    let later = in_seconds(&**store, 3600).await;
    assert_eq!(store.expire(later, None).await.unwrap().events, 4);
    let found = all_behind(&**store, SINK).await;
    assert_eq!(places(&found), [(room, 0, 5)]);
    let range = Missing { room, after: found[0].cursor, upto: found[0].last_seq };
    let kept = store.missing(&[range], 1 << 20).await.unwrap();
    assert_eq!(kept.iter().map(|event| event.seq).collect::<Vec<_>>(), [Seq(5)]);
    assert_eq!(found[0].since, Some(kept[0].timestamp));
}

pub(crate) async fn of_racing_moves_none_is_lost_and_nothing_goes_back(store: &Arc<dyn Store>) {
    let rooms = [lobby(&**store).await, any_room(&**store).await.id];
    let alice = person(&**store, "alice").await;
    for room in rooms {
        fill(&**store, room, alice, 50).await;
    }
    let lead = lead(&**store, SINK).await;
    let mut moving = JoinSet::new();
    for n in 0..40 {
        let store = Arc::clone(store);
        moving.spawn(async move {
            // Each other one names them the other way round.
            let mut to = rooms.map(|room| (room, Seq(n + 1)));
            if n % 2 == 0 {
                to.reverse();
            }
            store.move_cursors(SINK, lead.fence, &to).await.unwrap()
        });
    }
    assert!(moving.join_all().await.into_iter().all(|moved| moved));
    assert!(places(&all_behind(&**store, SINK).await).iter().all(|(_, cursor, _)| *cursor == 40));
}

/// A letter about this event, after that one.
pub(crate) fn letter(room: RoomId, seq: u64, told: u64) -> DeadLetter {
    DeadLetter {
        room,
        seq: Seq(seq),
        told: Seq(told),
        message_id: format!("{}.{seq}.1.id", room.0),
        reason: "status 422".to_owned(),
        attempts: 5,
    }
}

fn numbers(letters: &[PutAside]) -> Vec<(RoomId, u64)> {
    letters.iter().map(|letter| (letter.room, letter.seq.0)).collect()
}

pub(crate) async fn what_is_put_aside_is_known_and_its_room_goes_on(store: &Arc<dyn Store>) {
    let (room, other) = (room_of(&**store, 6).await, room_of(&**store, 1).await);
    let lead = lead(&**store, SINK).await;
    let before = store.now().await.unwrap();
    assert!(store.move_cursors(SINK, lead.fence, &[(room, Seq(2))]).await.unwrap());
    let letters = [letter(room, 3, 2), letter(other, 1, 0)];
    for _ in 0..2 {
        // Again, because an answer was lost.
        assert!(store.put_aside(SINK, lead.fence, &letters).await.unwrap());
    }
    let so_far = store.now().await.unwrap();
    while store.now().await.unwrap() <= so_far {
        tokio::task::yield_now().await;
    }
    assert!(store.put_aside(SINK, lead.fence, &[letter(room, 4, 2)]).await.unwrap());
    let found = all_behind(&**store, SINK).await;
    assert_eq!(places(&found), [(room, 4, 6)]);
    assert_eq!(found[0].told, Seq(2), "what the next one is told to come after");
    let kept = store.dead_letters(10).await.unwrap();
    assert_eq!(numbers(&kept)[0], (room, 4), "the newest first");
    assert_eq!(kept.len(), 3);
    let first = kept.iter().find(|kept| (kept.room, kept.seq) == (room, Seq(3))).unwrap();
    assert_eq!(
        (first.sink.as_str(), first.attempts, first.reason.as_str()),
        (SINK, 5, "status 422")
    );
    assert_eq!(
        (first.message_id.as_str(), first.at >= before),
        (letters[0].message_id.as_str(), true)
    );
    assert_eq!(first.name, found[0].name);
    assert_eq!(store.dead_letters(1).await.unwrap(), kept[..1]);
    assert!(store.move_cursors(SINK, lead.fence, &[(room, Seq(5))]).await.unwrap());
    assert!(
        store.put_aside(SINK, lead.fence, &[letter(room, 4, 2)]).await.unwrap(),
        "it comes late"
    );
    let found = all_behind(&**store, SINK).await;
    assert_eq!(
        (places(&found), found[0].told),
        (vec![(room, 5, 6)], Seq(5)),
        "the sink has that"
    );
}

pub(crate) async fn without_the_lead_nothing_is_put_aside(store: &Arc<dyn Store>) {
    let room = room_of(&**store, 3).await;
    let old = lead(&**store, SINK).await;
    store.give_up_lead(SINK, old.fence).await.unwrap();
    let new = lead(&**store, SINK).await;
    assert!(
        !store.put_aside(SINK, old.fence, &[letter(room, 1, 0)]).await.unwrap(),
        "it has slept"
    );
    assert!(!store.put_aside("unheard-of", new.fence, &[letter(room, 1, 0)]).await.unwrap());
    assert_eq!(places(&all_behind(&**store, SINK).await), [(room, 0, 3)]);
    assert_eq!(store.dead_letters(10).await.unwrap(), []);
}

pub(crate) async fn what_was_put_aside_is_kept_in_bounds(store: &Arc<dyn Store>) {
    let (room, lead) = (room_of(&**store, 1).await, lead(&**store, SINK).await);
    let letters: Vec<_> = (1..=DEAD_LETTERS_MOST + 700).map(|seq| letter(room, seq, 0)).collect();
    for some in letters.chunks(2_000) {
        assert!(store.put_aside(SINK, lead.fence, some).await.unwrap());
    }
    assert_eq!(store.sweep().await.unwrap(), 700);
    let kept = store.dead_letters(u32::MAX).await.unwrap();
    assert_eq!(kept.len() as u64, DEAD_LETTERS_MOST);
    assert_eq!(kept.last().unwrap().seq, Seq(701), "the oldest have gone");
    assert_eq!(store.sweep().await.unwrap(), 0);
}
