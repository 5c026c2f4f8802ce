//! Promises about old events: which of them go, what stays, and that nobody who talks meanwhile notices.

use std::{sync::Arc, time::Duration};

use chorus::{
    domain::{Event, RoomId, Seq, Timestamp, UserId},
    store::{Appended, Expired, Missing, Slice, Store},
};
use tokio::task::JoinSet;

use crate::fixture::{any_room, fill, in_seconds, lobby, many_rooms, person, say, seqs};

const BYTES: usize = 1 << 20;
/// The most that one step deletes.
const STEP: u64 = 500;

/// A time after all that was committed so far, and before all that comes.
async fn from_now_on(store: &dyn Store) -> Timestamp {
    let began = store.now().await.unwrap();
    loop {
        let now = store.now().await.unwrap();
        if now > began {
            return now;
        }
    }
}

/// All rounds that it takes, each step within its bound: how many events went.
async fn expire_all(store: &dyn Store, before: Timestamp) -> u64 {
    let (mut events, mut after) = (0, None);
    loop {
        let step = store.expire(before, after).await.unwrap();
        assert!(step.events <= STEP, "{step:?}");
        events += step.events;
        after = step.next;
        if after.is_none() {
            return events;
        }
    }
}

/// What is left of a room, checked to be the end of its log without a hole.
async fn left(store: &dyn Store, room: RoomId) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::new();
    loop {
        let after = events.last().map_or(Seq::ZERO, |event| event.seq);
        let page = store.page(room, Slice::After(after), 500, BYTES).await.unwrap();
        events.extend(page.events);
        if !page.has_more {
            let end = events.last().map_or(Seq::ZERO, |event| event.seq);
            assert_eq!(end, page.last_seq);
            break;
        }
    }
    let holes = events.windows(2).filter(|pair| pair[1].seq != pair[0].seq.next());
    assert_eq!(holes.count(), 0, "{:?}", seqs(&events));
    events
}

async fn append(store: &dyn Store, room: RoomId, sender: UserId, id: &str) -> Appended {
    store.append(&[say(room, sender, id, "text")]).await.unwrap()[0]
}

/// A room with events 1 to 5 that are old and 6 to 8 that are not; since when they are not.
async fn half_old(store: &dyn Store) -> (RoomId, UserId, Timestamp) {
    let (room, alice) = (any_room(store).await.id, person(store, "alice").await);
    fill(store, room, alice, 5).await;
    let before = from_now_on(store).await;
    for id in ["new6", "new7", "new8"] {
        append(store, room, alice, id).await;
    }
    (room, alice, before)
}

pub(crate) async fn old_events_go_and_the_newest_of_them_stays(store: &Arc<dyn Store>) {
    let (room, _, before) = half_old(&**store).await;
    assert_eq!(expire_all(&**store, before).await, 4);
    assert_eq!(seqs(&left(&**store, room).await), [5, 6, 7, 8]);
    assert_eq!(
        expire_all(&**store, before).await,
        0,
        "whoever was here since then stands at 5 or later"
    );
}

pub(crate) async fn the_newest_event_of_a_room_is_never_deleted(store: &Arc<dyn Store>) {
    let (room, alice) = (any_room(&**store).await.id, person(&**store, "alice").await);
    fill(&**store, room, alice, 3).await;
    let later = in_seconds(&**store, 3600).await;
    assert_eq!(expire_all(&**store, later).await, 2);
    assert_eq!(expire_all(&**store, later).await, 0);
    assert_eq!(seqs(&left(&**store, room).await), [3]);
    let next = append(&**store, room, alice, "next").await;
    assert!(matches!(next, Appended::New { seq: Seq(4), .. }), "{next:?}");
}

pub(crate) async fn pages_ranges_and_heads_end_where_the_log_begins(store: &Arc<dyn Store>) {
    let (room, _, before) = half_old(&**store).await;
    expire_all(&**store, before).await;
    let newest = store.page(room, Slice::Newest, 2, BYTES).await.unwrap();
    assert_eq!((seqs(&newest.events), newest.has_more), (vec![7, 8], true));
    let older = store.page(room, Slice::Before(Seq(7)), 10, BYTES).await.unwrap();
    assert_eq!(
        (seqs(&older.events), older.has_more),
        (vec![5, 6], false),
        "nothing pretends to be there"
    );
    let before_all = store.page(room, Slice::Before(Seq(5)), 10, BYTES).await.unwrap();
    assert_eq!((before_all.events.len(), before_all.has_more), (0, false));
    assert_eq!(before_all.last_seq, Seq(8));
    let range = Missing { room, after: Seq(1), upto: Seq(6) };
    assert_eq!(seqs(&store.missing(&[range], BYTES).await.unwrap()), [5, 6]);
    let heads = store.heads(&[(room, Seq(4)), (room, Seq(5))]).await.unwrap();
    let ids: Vec<_> = heads.iter().map(|head| head.id_at.as_ref().map(ToString::to_string)).collect();
    assert_eq!(ids, [None, Some("id5".to_owned())]);
    assert!(heads.iter().all(|head| head.last_seq == Seq(8)));
}

pub(crate) async fn a_repeat_is_known_as_long_as_the_first_is_kept(store: &Arc<dyn Store>) {
    let (room, alice, before) = half_old(&**store).await;
    expire_all(&**store, before).await;
    let kept = store.append(&[say(room, alice, "id5", "text 5")]).await.unwrap()[0];
    assert!(matches!(kept, Appended::Again { seq: Seq(5), .. }), "{kept:?}");
    let gone = store.append(&[say(room, alice, "id4", "text 4")]).await.unwrap()[0];
    assert!(matches!(gone, Appended::New { seq: Seq(9), .. }), "{gone:?}");
}

pub(crate) async fn steps_are_bounded_and_come_to_an_end(store: &Arc<dyn Store>) {
    let alice = person(&**store, "alice").await;
    let (one, empty, two) = (
        any_room(&**store).await.id,
        any_room(&**store).await.id,
        any_room(&**store).await.id,
    );
    fill(&**store, one, alice, 1_200).await;
    fill(&**store, two, alice, 501).await;
    let later = in_seconds(&**store, 3600).await;
    let first = store.expire(later, None).await.unwrap();
    assert_eq!(first.events, STEP);
    assert_eq!(seqs(&left(&**store, one).await).first(), Some(&501), "the oldest go first");
    assert_eq!(expire_all(&**store, later).await, 1_199 + 500 - STEP);
    assert_eq!((left(&**store, one).await.len(), left(&**store, two).await.len()), (1, 1));
    assert!(store.page(empty, Slice::Newest, 1, BYTES).await.unwrap().events.is_empty());
    let nothing = store.expire(later, None).await.unwrap();
    assert_eq!(nothing, Expired { events: 0, next: None });
}

pub(crate) async fn rooms_are_looked_at_in_turn(store: &Arc<dyn Store>) {
    many_rooms(store, 520).await;
    let (last, alice) = (any_room(&**store).await.id, person(&**store, "alice").await);
    fill(&**store, last, alice, 5).await;
    let later = in_seconds(&**store, 3600).await;
    let first = store.expire(later, None).await.unwrap();
    assert_eq!(first.events, 0);
    assert!(first.next.is_some_and(|after| after < last), "{first:?}");
    assert_eq!(
        store.expire(later, first.next).await.unwrap(),
        Expired { events: 4, next: None }
    );
}

pub(crate) async fn what_is_said_meanwhile_leaves_no_hole(store: &Arc<dyn Store>) {
    let alice = person(&**store, "alice").await;
    let rooms = [lobby(&**store).await, any_room(&**store).await.id];
    let later = in_seconds(&**store, 3600).await;
    let mut talking = JoinSet::new();
    for writer in 0..4 {
        let store = Arc::clone(store);
        talking.spawn(async move {
            for n in 0..100 {
                let batch: Vec<_> =
                    rooms.map(|room| say(room, alice, &format!("{writer}-{n}"), "text")).into();
                let answers = store.append(&batch).await.unwrap();
                assert!(answers.iter().all(|a| matches!(a, Appended::New { .. })), "{answers:?}");
            }
        });
    }
    let mut gone = 0;
    while !talking.is_empty() {
        gone += expire_all(&**store, later).await;
        for room in rooms {
            left(&**store, room).await;
        }
        while let Some(ended) = talking.try_join_next() {
            ended.unwrap();
        }
    }
    gone += expire_all(&**store, later).await;
    let heads = store.heads(&rooms.map(|room| (room, Seq(400)))).await.unwrap();
    assert!(
        heads.iter().all(|head| head.last_seq == Seq(400) && head.id_at.is_some()),
        "{heads:?}"
    );
    assert_eq!(gone, 2 * 399, "each went once, but the newest");
}

pub(crate) async fn who_claims_after_a_while_has_its_turn(store: &Arc<dyn Store>) {
    assert!(store.claim_expiry(Duration::from_mins(1)).await.unwrap());
    from_now_on(&**store).await;
    assert!(store.claim_expiry(Duration::ZERO).await.unwrap());
}
