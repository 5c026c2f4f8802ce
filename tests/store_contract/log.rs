//! Promises about rooms and the log, one by one. `histories` holds them together.

use std::sync::Arc;

use chorus::{
    domain::{ClientId, RoomId, RoomName, Seq, UserId},
    store::{Appended, Missing, Slice, Store, StoreError},
};
use tokio::task::JoinSet;

use crate::fixture::{any_room, fill, lobby, person, say, seqs, whole_log};

const NO_ROOM: RoomId = RoomId(999_999_999);
const BYTES: usize = 1 << 20;

pub(crate) async fn the_lobby_is_always_there(store: &Arc<dyn Store>) {
    let lobby = store.room(&RoomName::lobby()).await.unwrap().unwrap();
    assert_eq!((lobby.last_seq, lobby.last_timestamp), (Seq::ZERO, None));
    let again = store.create_room(&RoomName::lobby()).await;
    assert!(matches!(again, Err(StoreError::Taken)), "{again:?}");
}

pub(crate) async fn of_racing_rooms_of_one_name_one_is_made(store: &Arc<dyn Store>) {
    let name = RoomName::parse("rust").unwrap();
    assert_eq!(store.room(&name).await.unwrap(), None);
    let mut racers = JoinSet::new();
    for _ in 0..16 {
        let (store, name) = (Arc::clone(store), name.clone());
        racers.spawn(async move { store.create_room(&name).await });
    }
    let mut made: Vec<_> = racers.join_all().await.into_iter().filter_map(Result::ok).collect();
    assert_eq!(made.len(), 1);
    assert_eq!(store.room(&name).await.unwrap(), made.pop());
}

pub(crate) async fn rooms_are_listed_by_name_in_pages(store: &Arc<dyn Store>) {
    for name in ["zebra", "ant", "bee"] {
        store.create_room(&RoomName::parse(name).unwrap()).await.unwrap();
    }
    let alice = person(&**store, "alice").await;
    fill(&**store, lobby(&**store).await, alice, 3).await;
    let names =
        |rooms: Vec<chorus::store::Room>| rooms.into_iter().map(|r| r.name.to_string()).collect::<Vec<_>>();
    let first = store.rooms(None, 3).await.unwrap();
    assert_eq!(first[2].last_seq, Seq(3));
    assert!(first[2].last_timestamp.is_some());
    assert_eq!(names(first), ["ant", "bee", "lobby"]);
    let rest = store.rooms(Some(&RoomName::lobby()), 3).await.unwrap();
    assert_eq!(names(rest), ["zebra"]);
    assert_eq!(names(store.rooms(None, 0).await.unwrap()), [""; 0]);
}

pub(crate) async fn numbers_follow_the_batch_without_a_gap(store: &Arc<dyn Store>) {
    let alice = person(&**store, "alice").await;
    let (one, two) = (lobby(&**store).await, any_room(&**store).await.id);
    assert_eq!(store.append(&[]).await.unwrap(), []);
    let batch = [
        say(one, alice, "a", "1"),
        say(two, alice, "a", "1"),
        say(one, alice, "b", "2"),
        say(one, alice, "c", "3"),
    ];
    let answers = store.append(&batch).await.unwrap();
    let numbers: Vec<_> = answers
        .iter()
        .map(|a| match a {
            Appended::New { seq, .. } => seq.0,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(numbers, [1, 1, 2, 3]);
    let log = whole_log(&**store, one).await;
    let texts: Vec<_> = log.iter().map(|e| e.body.as_str()).collect();
    assert_eq!(texts, ["1", "2", "3"]);
    let room = store.room(&RoomName::lobby()).await.unwrap().unwrap();
    assert_eq!((room.last_seq, room.last_timestamp), (Seq(3), Some(log[2].timestamp)));
}

pub(crate) async fn a_retry_gets_the_first_answer(store: &Arc<dyn Store>) {
    let alice = person(&**store, "alice").await;
    let room = lobby(&**store).await;
    let twice = [
        say(room, alice, "a", "1"),
        say(room, alice, "a", "1"),
        say(room, alice, "b", "2"),
    ];
    let first = store.append(&twice).await.unwrap();
    let [
        Appended::New { seq, timestamp },
        again,
        Appended::New { seq: Seq(2), .. },
    ] = first[..]
    else {
        panic!("{first:?}");
    };
    assert_eq!(again, Appended::Again { seq, timestamp });
    store.append(&[say(room, alice, "c", "3")]).await.unwrap();
    let retried = store.append(&twice[..1]).await.unwrap();
    assert_eq!(retried, [Appended::Again { seq, timestamp }]);
    assert_eq!(whole_log(&**store, room).await.len(), 3);
}

pub(crate) async fn an_id_used_for_another_text_is_a_conflict(store: &Arc<dyn Store>) {
    let alice = person(&**store, "alice").await;
    let room = lobby(&**store).await;
    let batch = [
        say(room, alice, "a", "1"),
        say(room, alice, "a", "other"),
        say(room, alice, "b", "2"),
    ];
    let answers = store.append(&batch).await.unwrap();
    assert!(
        matches!(answers[..], [Appended::New { .. }, Appended::Conflict, Appended::New { .. }]),
        "{answers:?}"
    );
    let later = store.append(&[say(room, alice, "a", "A")]).await.unwrap();
    assert_eq!(later, [Appended::Conflict]);
    assert_eq!(whole_log(&**store, room).await[0].body.as_str(), "1");
}

pub(crate) async fn the_same_id_is_free_for_others_and_elsewhere(store: &Arc<dyn Store>) {
    let (alice, bob) = (person(&**store, "alice").await, person(&**store, "bob").await);
    let (one, two) = (lobby(&**store).await, any_room(&**store).await.id);
    let batch = [
        say(one, alice, "a", "1"),
        say(one, bob, "a", "2"),
        say(two, alice, "a", "3"),
        say(one, alice, "A", "4"),
    ];
    let answers = store.append(&batch).await.unwrap();
    assert!(answers.iter().all(|a| matches!(a, Appended::New { .. })), "{answers:?}");
}

pub(crate) async fn a_missing_room_is_told_and_the_rest_committed(store: &Arc<dyn Store>) {
    let alice = person(&**store, "alice").await;
    let room = lobby(&**store).await;
    let batch = [say(NO_ROOM, alice, "a", "1"), say(room, alice, "a", "1")];
    let answers = store.append(&batch).await.unwrap();
    assert!(
        matches!(answers[..], [Appended::RoomGone, Appended::New { seq: Seq(1), .. }]),
        "{answers:?}"
    );
    assert!(store.page(NO_ROOM, Slice::Newest, 10, BYTES).await.unwrap().events.is_empty());
}

pub(crate) async fn a_refused_row_refuses_its_batch_and_nothing_else(store: &Arc<dyn Store>) {
    let alice = person(&**store, "alice").await;
    let nobody = UserId(999_999_999);
    let room = lobby(&**store).await;
    let mut racers = JoinSet::new();
    for n in 0..40 {
        let store = Arc::clone(store);
        let sender = if n % 2 == 0 { alice } else { nobody };
        let batch = [
            say(room, alice, &format!("a{n}"), "fine"),
            say(room, sender, &format!("b{n}"), "?"),
        ];
        racers.spawn(async move { (sender == alice, store.append(&batch).await) });
    }
    for (good, answer) in racers.join_all().await {
        match answer {
            Ok(_) => assert!(good),
            Err(StoreError::Rejected(_)) => assert!(!good),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(whole_log(&**store, room).await.len(), 40);
}

pub(crate) async fn texts_come_back_as_they_were(store: &Arc<dyn Store>) {
    let alice = person(&**store, "Alice").await;
    let room = lobby(&**store).await;
    let long = "😀".repeat(500);
    let texts = [
        "'); DROP TABLE messages; --",
        "<b>&amp;\"</b>",
        "%_\\\n\t",
        "null",
        "1e5",
        "مرحبا 👩‍👩‍👧",
        &long,
    ];
    let batch: Vec<_> =
        texts.iter().enumerate().map(|(n, t)| say(room, alice, &format!("-_{n}"), t)).collect();
    store.append(&batch).await.unwrap();
    for ((event, sent), text) in whole_log(&**store, room).await.iter().zip(&batch).zip(texts) {
        assert_eq!(event.body.as_str(), text);
        assert_eq!((&event.id, event.sender), (&sent.id, alice));
        assert_eq!(event.username.as_str(), "Alice");
    }
    let again = store.append(&batch).await.unwrap();
    assert!(again.iter().all(|a| matches!(a, Appended::Again { .. })), "{again:?}");
}

pub(crate) async fn pages_are_ascending_and_bounded(store: &Arc<dyn Store>) {
    let alice = person(&**store, "alice").await;
    let room = any_room(&**store).await.id;
    let empty = store.page(room, Slice::Newest, 10, BYTES).await.unwrap();
    assert_eq!((empty.events.len(), empty.last_seq, empty.has_more), (0, Seq::ZERO, false));
    fill(&**store, room, alice, 20).await;
    for (slice, limit, expected, more) in [
        (Slice::Newest, 5, 16..=20, true),
        (Slice::Newest, 20, 1..=20, false),
        (Slice::Newest, 99, 1..=20, false),
        (Slice::Before(Seq(4)), 2, 2..=3, true),
        (Slice::Before(Seq(4)), 3, 1..=3, false),
        (Slice::Before(Seq(99)), 1, 20..=20, true),
        (Slice::After(Seq(3)), 2, 4..=5, true),
        (Slice::After(Seq(18)), 2, 19..=20, false),
        (Slice::After(Seq::ZERO), 20, 1..=20, false),
    ] {
        let page = store.page(room, slice, limit, BYTES).await.unwrap();
        assert_eq!(seqs(&page.events), expected.collect::<Vec<_>>(), "{slice:?} {limit}");
        assert_eq!((page.has_more, page.last_seq), (more, Seq(20)), "{slice:?} {limit}");
    }
    for slice in [
        Slice::Before(Seq::ZERO),
        Slice::Before(Seq(1)),
        Slice::After(Seq(20)),
        Slice::After(Seq(u64::MAX)),
    ] {
        let page = store.page(room, slice, 10, BYTES).await.unwrap();
        assert!(page.events.is_empty() && !page.has_more, "{slice:?}");
    }
}

pub(crate) async fn pages_chain_to_the_whole_log_in_both_directions(store: &Arc<dyn Store>) {
    let alice = person(&**store, "alice").await;
    let room = any_room(&**store).await.id;
    fill(&**store, room, alice, 50).await;
    for max_bytes in [0, 1, 300, 1_000, BYTES] {
        let (mut up, mut at) = (Vec::new(), Seq::ZERO);
        loop {
            let page = store.page(room, Slice::After(at), 7, max_bytes).await.unwrap();
            let weight: usize = page.events.iter().map(chorus::domain::Event::weight).sum();
            assert!(weight <= max_bytes || page.events.len() == 1, "{weight} > {max_bytes}");
            up.extend(seqs(&page.events));
            at = Seq(up.len() as u64);
            if !page.has_more {
                break;
            }
        }
        assert_eq!(up, (1..=50).collect::<Vec<_>>());
        let (mut down, mut slice) = (Vec::new(), Slice::Newest);
        loop {
            let page = store.page(room, slice, 7, max_bytes).await.unwrap();
            down.splice(0..0, seqs(&page.events));
            slice = Slice::Before(page.events[0].seq);
            if !page.has_more {
                break;
            }
        }
        assert_eq!(down, (1..=50).collect::<Vec<_>>());
    }
}

pub(crate) async fn a_page_and_its_head_are_one_snapshot(store: &Arc<dyn Store>) {
    let alice = person(&**store, "alice").await;
    let room = any_room(&**store).await.id;
    let mut writing = JoinSet::new();
    let writer = Arc::clone(store);
    writing.spawn(async move {
        for n in 0..200 {
            writer.append(&[say(room, alice, &format!("a{n}"), "1")]).await.unwrap();
        }
    });
    while !writing.is_empty() {
        for _ in 0..20 {
            let page = store.page(room, Slice::Newest, 1, BYTES).await.unwrap();
            assert_eq!(page.events.last().map_or(Seq::ZERO, |event| event.seq), page.last_seq);
        }
        writing.try_join_next();
    }
}

pub(crate) async fn missing_ranges_come_back_in_one_answer(store: &Arc<dyn Store>) {
    let alice = person(&**store, "alice").await;
    let (one, two) = (any_room(&**store).await.id, any_room(&**store).await.id);
    fill(&**store, one, alice, 10).await;
    fill(&**store, two, alice, 10).await;
    let range = |room, after, upto| Missing { room, after: Seq(after), upto: Seq(upto) };
    let asked = [
        range(two, 8, 99),
        range(NO_ROOM, 0, 9),
        range(one, 2, 5),
        range(one, 5, 5),
        range(two, 10, 12),
    ];
    let found = store.missing(&asked, BYTES).await.unwrap();
    let of = |room| seqs(&found.iter().filter(|e| e.room == room).cloned().collect::<Vec<_>>());
    assert_eq!(of(one), [3, 4, 5]);
    assert_eq!(of(two), [9, 10]);
    assert_eq!(found.len(), 5);
    assert!(store.missing(&[], BYTES).await.unwrap().is_empty());
}

pub(crate) async fn missing_gives_every_range_at_least_one(store: &Arc<dyn Store>) {
    let alice = person(&**store, "alice").await;
    let mut rooms = Vec::new();
    for _ in 0..5 {
        let room = any_room(&**store).await.id;
        fill(&**store, room, alice, 30).await;
        rooms.push(room);
    }
    for max_bytes in [0, 1_000, 5_000] {
        let ranges: Vec<_> =
            rooms.iter().map(|room| Missing { room: *room, after: Seq(4), upto: Seq(30) }).collect();
        let found = store.missing(&ranges, max_bytes).await.unwrap();
        for room in &rooms {
            let got = seqs(&found.iter().filter(|e| e.room == *room).cloned().collect::<Vec<_>>());
            let expected: Vec<_> = (5..).take(got.len()).collect();
            assert!(!got.is_empty() && got == expected, "the beginning of the range: {got:?}");
        }
        let beyond_first: usize =
            found.iter().filter(|e| e.seq != Seq(5)).map(chorus::domain::Event::weight).sum();
        assert!(beyond_first <= max_bytes);
    }
}

pub(crate) async fn heads_tell_the_id_at_a_number(store: &Arc<dyn Store>) {
    let alice = person(&**store, "alice").await;
    let (full, empty) = (any_room(&**store).await.id, any_room(&**store).await.id);
    fill(&**store, full, alice, 10).await;
    let asked = [
        (full, Seq(3)),
        (full, Seq(11)),
        (NO_ROOM, Seq(1)),
        (empty, Seq::ZERO),
    ];
    let heads = store.heads(&asked).await.unwrap();
    let found: Vec<_> = heads
        .iter()
        .map(|h| (h.room, h.last_seq, h.id_at.as_ref().map(ClientId::as_str)))
        .collect();
    assert!(found.contains(&(full, Seq(10), Some("id3"))), "{found:?}");
    assert!(found.contains(&(full, Seq(10), None)), "{found:?}");
    assert!(found.contains(&(empty, Seq::ZERO, None)), "{found:?}");
    assert_eq!(found.len(), 3);
    assert!(store.heads(&[]).await.unwrap().is_empty());
}
