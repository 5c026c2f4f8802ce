//! Who leads when there are several nodes, and what a lead is worth when the log is in another place: what depends
//! on the backend.

use std::time::{Duration, Instant};

use chorus::{
    domain::Seq,
    store::{
        Among, Candidate, Lead, Relaying, Store,
        postgres::{NodeLock, PostgresStore},
        sqlite::SqliteStore,
    },
};

use crate::{
    fixture::{A_MOMENT, fill, lobby, person, reopen},
    postgres::{open, shared},
    relaying::{candidate, letter},
};

const SINK: &str = "queue";
const LIMIT: Duration = Duration::from_secs(20);

/// Two nodes on one database, and its name.
async fn two_nodes() -> (PostgresStore, PostgresStore, String) {
    let server = &shared().server;
    let database = server.create_database(None);
    let first = open(server, &database, NodeLock::Shared).await.unwrap();
    let second = open(server, &database, NodeLock::Shared).await.unwrap();
    (first, second, database)
}

/// Asks for the lead until it is given; how long that took.
async fn takes(store: &PostgresStore, candidate: Candidate) -> (Lead, Duration) {
    let began = Instant::now();
    loop {
        if let Some(lead) = store.lead(SINK, candidate).await.unwrap() {
            return (lead, began.elapsed());
        }
        assert!(began.elapsed() < LIMIT, "nobody gives it up");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_nodes_one_leads_and_the_other_when_the_lease_has_ended() {
    let (first, second, _) = two_nodes().await;
    fill(&first, lobby(&first).await, person(&first, "alice").await, 3).await;
    let short = Candidate { ttl: Duration::from_secs(2), ..candidate() };
    let began = Instant::now();
    let led = first.lead(SINK, short).await.unwrap().unwrap();
    assert_eq!(second.lead(SINK, candidate()).await.unwrap(), None, "it has just been taken");
    // The first one sleeps from here on.
    let (next, _) = takes(&second, candidate()).await;
    let waited = began.elapsed();
    assert!(next.fence > led.fence && waited >= short.ttl, "{next:?} after {waited:?}");
    let room = lobby(&first).await;
    assert!(!first.move_cursors(SINK, led.fence, &[(room, Seq(3))]).await.unwrap());
    assert_eq!(first.lead(SINK, short).await.unwrap(), None, "it is the other's now");
    second.give_up_lead(SINK, next.fence).await.unwrap();
    assert!(first.lead(SINK, short).await.unwrap().unwrap().fence > next.fence, "at once");
    first.close().await;
    second.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_nodes_that_ask_at_once_one_leads() {
    let (first, second, _) = two_nodes().await;
    for _ in 0..20 {
        let (one, other) = (candidate(), candidate());
        let (a, b) = tokio::join!(first.lead(SINK, one), second.lead(SINK, other));
        let given: Vec<Lead> = [a.unwrap(), b.unwrap()].into_iter().flatten().collect();
        let [lead] = &given[..] else { panic!("{given:?}") };
        first.give_up_lead(SINK, lead.fence).await.unwrap();
    }
    first.close().await;
    second.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_meets_a_takeover_comes_before_it_or_not_at_all() {
    let (first, second, _) = two_nodes().await;
    let room = lobby(&first).await;
    fill(&first, room, person(&first, "alice").await, 40).await;
    let mut moved = 0;
    for n in 1..40 {
        // A lease that has ended when it is given.
        let asleep = Candidate { ttl: Duration::ZERO, ..candidate() };
        let old = takes(&first, asleep).await.0;
        let to = [(room, Seq(n))];
        let (went, taken) =
            tokio::join!(first.move_cursors(SINK, old.fence, &to), takes(&second, candidate()));
        let found = second.behind(SINK, Among::These(&[room])).await.unwrap().behind[0].cursor;
        if went.unwrap() {
            moved = n;
        }
        assert_eq!(found, Seq(moved), "who leads sees what it is going to go on from");
        assert!(!first.move_cursors(SINK, old.fence, &[(room, Seq(n + 1))]).await.unwrap());
        second.give_up_lead(SINK, taken.0.fence).await.unwrap();
    }
    first.close().await;
    second.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_of_a_clock_that_was_set_back_counts_as_over() {
    let (first, second, database) = two_nodes().await;
    let led = first.lead(SINK, candidate()).await.unwrap().unwrap();
    shared().server.sql(&database, "UPDATE relay_sinks SET held_until = held_until + 3600000");
    let next = second.lead(SINK, candidate()).await.unwrap().expect("as if it had ended");
    assert!(next.fence > led.fence);
    first.close().await;
    second.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_log_is_the_same_chat_and_another_run() {
    let (first, second, database) = two_nodes().await;
    let room = lobby(&first).await;
    fill(&first, room, person(&first, "alice").await, 3).await;
    let mine = candidate();
    let led = first.lead(SINK, mine).await.unwrap().unwrap();
    assert!(first.move_cursors(SINK, led.fence, &[(room, Seq(2))]).await.unwrap());
    let server = &shared().server;
    let restored = server.restore(&server.dump(&database));
    let store = open(server, &restored, NodeLock::Shared).await.unwrap();
    // The lease was in the dump, and so was whose it is.
    let next = store.lead(SINK, mine).await.unwrap().unwrap();
    assert_eq!(next.log.chat, led.log.chat);
    assert!(
        next.log.epoch != led.log.epoch && next.fence > led.fence,
        "{next:?} after {led:?}"
    );
    let found = store.behind(SINK, Among::After(None)).await.unwrap().behind;
    assert_eq!((found[0].cursor, found[0].last_seq), (Seq(2), Seq(3)));
    assert_eq!(store.lead(SINK, mine).await.unwrap(), Some(next), "it stays that");
    for store in [first, second, store] {
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_told_of_a_log_that_is_suddenly_elsewhere_moves_nothing_before_somebody_leads_there() {
    let (first, second, database) = two_nodes().await;
    let room = lobby(&first).await;
    fill(&first, room, person(&first, "alice").await, 3).await;
    let mine = candidate();
    let led = first.lead(SINK, mine).await.unwrap().unwrap();
    assert!(first.move_cursors(SINK, led.fence, &[(room, Seq(1))]).await.unwrap());
    // As after a failover: the same rows, and the lead with them, on another server.
    shared().server.sql(&database, "UPDATE relay_log SET place = 'another server'");
    assert!(!first.move_cursors(SINK, led.fence, &[(room, Seq(3))]).await.unwrap());
    let next = first.lead(SINK, mine).await.unwrap().unwrap();
    assert!(
        next.log.epoch != led.log.epoch && next.fence > led.fence,
        "{next:?} after {led:?}"
    );
    assert!(!first.move_cursors(SINK, led.fence, &[(room, Seq(3))]).await.unwrap());
    assert!(first.move_cursors(SINK, next.fence, &[(room, Seq(3))]).await.unwrap());
    first.close().await;
    second.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_in_a_file_that_was_copied_is_another_run() {
    let (home, copy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mine = candidate();
    let store = SqliteStore::open(home.path()).unwrap();
    let led = store.lead(SINK, mine).await.unwrap().unwrap();
    assert_eq!(store.lead(SINK, mine).await.unwrap(), Some(led), "while it runs");
    store.close().await;
    let store = reopen(home.path(), A_MOMENT).unwrap();
    let again = store.lead(SINK, candidate()).await.unwrap().unwrap();
    assert_eq!(
        (again.log.chat, again.log.epoch),
        (led.log.chat, led.log.epoch),
        "a restart is no other log"
    );
    assert!(again.fence > led.fence);
    store.close().await;
    SqliteStore::back_up(home.path(), &copy.path().join("chorus.db")).unwrap();
    let store = SqliteStore::open(copy.path()).unwrap();
    let next = store.lead(SINK, mine).await.unwrap().unwrap();
    assert_eq!(next.log.chat, led.log.chat);
    assert!(
        next.log.epoch != led.log.epoch && next.fence > again.fence,
        "{next:?} after {again:?}"
    );
    store.close().await;
}

/// Thirty-one days, in ms.
const OLD: i64 = 31 * 24 * 3_600_000;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_put_aside_a_month_ago_is_forgotten() {
    let (first, second, database) = two_nodes().await;
    let room = lobby(&first).await;
    let led = first.lead(SINK, candidate()).await.unwrap().unwrap();
    assert!(first.put_aside(SINK, led.fence, &[letter(room, 1, 0), letter(room, 2, 0)]).await.unwrap());
    let older = format!("UPDATE relay_dead_letters SET at = at - {OLD} WHERE seq = 1");
    shared().server.sql(&database, &older);
    assert_eq!(first.sweep().await.unwrap(), 1);
    assert_eq!(first.dead_letters(9).await.unwrap()[0].seq, Seq(2));
    first.close().await;
    second.close().await;

    let home = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(home.path()).unwrap();
    let (room, led) = (lobby(&store).await, store.lead(SINK, candidate()).await.unwrap().unwrap());
    assert!(store.put_aside(SINK, led.fence, &[letter(room, 1, 0), letter(room, 2, 0)]).await.unwrap());
    let older = format!("UPDATE relay_dead_letters SET at = at - {OLD} WHERE seq = 1");
    rusqlite::Connection::open(home.path().join("chorus.db"))
        .unwrap()
        .execute_batch(&older)
        .unwrap();
    assert_eq!(store.sweep().await.unwrap(), 1);
    assert_eq!(store.dead_letters(9).await.unwrap()[0].seq, Seq(2));
    store.close().await;
}

/// What a node of the release before says to the database: it knows no `told`.
const BEFORE: &str =
    "SELECT chorus_relay_move('queue', (SELECT fence FROM relay_sinks), ARRAY[room], ARRAY[3])
    FROM (SELECT room_id AS room FROM relay_cursors) c";

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_the_release_before_moves_cursors_beside_this_one() {
    let (first, second, database) = two_nodes().await;
    let room = lobby(&first).await;
    fill(&first, room, person(&first, "alice").await, 4).await;
    let led = first.lead(SINK, candidate()).await.unwrap().unwrap();
    assert!(first.put_aside(SINK, led.fence, &[letter(room, 1, 0)]).await.unwrap());
    assert_eq!(shared().server.sql(&database, BEFORE), "t");
    let found = first.behind(SINK, Among::After(None)).await.unwrap().behind;
    assert_eq!((found[0].cursor, found[0].told), (Seq(3), Seq(3)));
    first.close().await;
    second.close().await;
}
