//! What only the embedded backend promises: its files, its lock, its limits.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use chorus::{
    domain::{RoomName, SignInId, UserId},
    store::{
        Accounts, Appended, Log, SchemaError, SignIns, Slice, Store, StoreError, TicketUse,
        sqlite::{OpenError, SqliteOptions, SqliteStore},
    },
};
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::fixture::{A_MOMENT, Opened, in_seconds, lobby, name, person, reopen, say, whole_log};

/// A fresh embedded store for the contract.
#[expect(clippy::unused_async, reason = "backends on a network wait here")]
pub(crate) async fn fresh() -> Opened {
    let home = tempfile::tempdir().unwrap();
    // Generous: the suite runs many stores at once on a disk that may be slow.
    let options = SqliteOptions {
        call_limit: Duration::from_secs(30),
        ..SqliteOptions::default()
    };
    let store = SqliteStore::open_with(home.path(), &options).unwrap();
    Opened { store: Arc::new(store), _home: Box::new(home) }
}

fn home() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// A connection of somebody else to the same file.
fn beside(home: &Path) -> Connection {
    Connection::open(home.join("chorus.db")).unwrap()
}

/// Short waits, one place in the queue, and a commit for each call.
fn small(call_limit: u64) -> SqliteOptions {
    SqliteOptions {
        call_limit: Duration::from_millis(call_limit),
        queue: 1,
        jobs_per_commit: 1,
        ..SqliteOptions::default()
    }
}

#[tokio::test]
async fn a_second_node_is_told_that_the_directory_is_in_use() {
    let home = home();
    let first = SqliteStore::open(home.path()).unwrap();
    for n in 0..20 {
        person(&first, &format!("user{n}")).await;
        assert!(first.account(&name("user0")).await.unwrap().is_some());
        let second = SqliteStore::open(home.path());
        assert!(matches!(&second, Err(OpenError::Locked(path)) if path == home.path()));
    }
    first.close().await;
    reopen(home.path(), A_MOMENT).unwrap().check().await.unwrap();
}

#[tokio::test]
async fn the_files_are_their_owners_alone() {
    let home = home();
    let dir = home.path().join("made/on/demand");
    let store = SqliteStore::open(&dir).unwrap();
    person(&store, "alice").await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    for file in ["chorus.db", "chorus.db-wal", "chorus.db-shm", "chorus.lock"] {
        assert_eq!(mode(&dir.join(file)), 0o600, "{file}");
    }
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_drop_without_close() {
    let home = home();
    let store = SqliteStore::open(home.path()).unwrap();
    let alice = person(&store, "alice").await;
    let room = lobby(&store).await;
    for n in 0..50 {
        store.append(&[say(room, alice, &format!("a{n}"), "kept")]).await.unwrap();
    }
    drop(store);
    // Nobody waits for the last of its threads.
    let store = reopen(home.path(), Duration::from_secs(20)).unwrap();
    assert_eq!(whole_log(&store, room).await.len(), 50);
    assert_eq!(store.account(&name("alice")).await.unwrap().unwrap().id, alice);
    assert_eq!(store.room(&RoomName::lobby()).await.unwrap().unwrap().last_seq.0, 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_in_the_middle_keeps_exactly_what_was_acknowledged() {
    let home = home();
    let store = Arc::new(SqliteStore::open(home.path()).unwrap());
    let alice = person(&*store, "alice").await;
    let room = lobby(&*store).await;
    let mut running = JoinSet::new();
    for n in 0..200 {
        let store = Arc::clone(&store);
        running.spawn(async move { store.append(&[say(room, alice, &format!("a{n}"), "1")]).await });
    }
    running.join_next().await.unwrap().unwrap().unwrap();
    store.close().await;
    let acknowledged = 1 + running.join_all().await.iter().filter(|answer| answer.is_ok()).count();
    let store = reopen(home.path(), A_MOMENT).unwrap();
    assert_eq!(whole_log(&store, room).await.len(), acknowledged);
}

#[tokio::test]
async fn closing_writes_the_log_back_into_one_file() {
    let home = home();
    let store = SqliteStore::open(home.path()).unwrap();
    person(&store, "alice").await;
    assert!(store.account(&name("alice")).await.unwrap().is_some());
    store.close().await;
    for companion in ["chorus.db-wal", "chorus.db-shm"] {
        assert!(!home.path().join(companion).exists(), "{companion}");
    }
}

#[tokio::test]
async fn a_full_database_acknowledges_nothing_and_recovers() {
    let home = home();
    let options = SqliteOptions { max_pages: Some(80), ..SqliteOptions::default() };
    let store = SqliteStore::open_with(home.path(), &options).unwrap();
    let alice = person(&store, "alice").await;
    let room = lobby(&store).await;
    let old = in_seconds(&store, -3600).await;
    let sid = SignInId::random();
    let used = |n| TicketUse {
        nonce: format!("{n}{}", "n".repeat(500)),
        sid,
        expires_at: old,
    };
    store.redeem(&(0..100).map(used).collect::<Vec<_>>()).await.unwrap();

    let text = "x".repeat(2_000);
    let mut acknowledged = 0;
    let error = loop {
        match store.append(&[say(room, alice, &format!("a{acknowledged}"), &text)]).await {
            Ok(answers) => {
                assert!(matches!(answers[..], [Appended::New { .. }]));
                acknowledged += 1;
            }
            Err(error) => break error,
        }
        assert!(acknowledged < 10_000, "it never became full");
    };
    assert!(
        matches!(&error, StoreError::Unavailable(why) if why.contains("full")),
        "{error}"
    );
    assert_eq!(whole_log(&store, room).await.len(), acknowledged, "reading goes on");

    assert_eq!(store.sweep().await.unwrap(), 100, "space returns");
    let retried = store.append(&[say(room, alice, &format!("a{acknowledged}"), &text)]).await.unwrap();
    assert!(matches!(retried[..], [Appended::New { .. }]), "{retried:?}");
    assert_eq!(whole_log(&store, room).await.len(), acknowledged + 1);
}

#[tokio::test]
async fn a_file_of_another_kind_is_refused_and_left_alone() {
    let home = home();
    let file = home.path().join("chorus.db");
    fs::write(&file, "this is my diary, not a database. ".repeat(200)).unwrap();
    let before = fs::read(&file).unwrap();
    let opened = SqliteStore::open(home.path());
    assert!(matches!(opened, Err(OpenError::NotOurs { .. })));
    assert_eq!(fs::read(&file).unwrap(), before);
}

#[tokio::test]
async fn another_programs_database_is_refused_and_left_alone() {
    let home = home();
    beside(home.path()).execute_batch("CREATE TABLE songs (title TEXT)").unwrap();
    let before = fs::read(home.path().join("chorus.db")).unwrap();
    let opened = SqliteStore::open(home.path());
    assert!(matches!(opened, Err(OpenError::NotOurs { .. })));
    assert_eq!(fs::read(home.path().join("chorus.db")).unwrap(), before);
}

#[tokio::test]
async fn a_damaged_file_is_an_error_and_not_a_panic() {
    let home = home();
    let store = SqliteStore::open(home.path()).unwrap();
    let alice = person(&store, "alice").await;
    let room = lobby(&store).await;
    store.append(&[say(room, alice, "a", "1")]).await.unwrap();
    store.close().await;
    let file = home.path().join("chorus.db");
    let whole = fs::read(&file).unwrap();
    for start in (0..whole.len()).step_by(4096) {
        let mut damaged = whole.clone();
        damaged[start..(start + 4096).min(whole.len())].fill(0xa5);
        fs::write(&file, damaged).unwrap();
        let Ok(store) = reopen(home.path(), A_MOMENT) else { continue };
        // Whatever it answers, it answers.
        let _ = store.append(&[say(room, alice, "b", "2")]).await;
        let _ = store.page(room, Slice::Newest, 10, 1 << 16).await;
        let _ = store.account(&name("alice")).await;
        store.close().await;
    }
}

/// Notes a migration that this binary does not know, by a release that allows `oldest`.
fn from_the_future(home: &Path, oldest: i32) {
    let connection = beside(home);
    let sql = "INSERT INTO refinery_schema_history (version, name, applied_on, checksum)
               VALUES (9000, 'future', '2040-01-01T00:00:00Z', '1')";
    connection.execute(sql, []).unwrap();
    connection.execute("UPDATE schema_compat SET oldest = ?1", [oldest]).unwrap();
}

#[tokio::test]
async fn a_newer_schema_is_used_while_it_allows_it() {
    let home = home();
    SqliteStore::open(home.path()).unwrap().close().await;
    from_the_future(home.path(), 1);
    let store = reopen(home.path(), A_MOMENT).unwrap();
    person(&store, "alice").await;
    store.close().await;
}

#[tokio::test]
async fn a_newer_schema_is_refused_when_it_took_something_away() {
    let home = home();
    SqliteStore::open(home.path()).unwrap().close().await;
    from_the_future(home.path(), 9000);
    let opened = reopen(home.path(), A_MOMENT);
    assert!(matches!(
        opened,
        Err(OpenError::Schema(SchemaError::TooNew { found: 9000, oldest: 9000, .. }))
    ));
}

#[tokio::test]
async fn migrating_is_safe_at_any_time() {
    let home = home();
    let racers: Vec<_> = (0..4)
        .map(|_| {
            let path = home.path().to_owned();
            std::thread::spawn(move || SqliteStore::migrate(&path))
        })
        .collect();
    for racer in racers {
        racer.join().unwrap().unwrap();
    }
    let store = SqliteStore::open(home.path()).unwrap();
    SqliteStore::migrate(home.path()).unwrap();
    store.check().await.unwrap();
}

/// Somebody holds the file's write lock: the writer is stuck with the first call, the second
/// waits in the queue, the third finds no place.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_was_never_begun_is_never_done() {
    let home = home();
    let store = Arc::new(SqliteStore::open_with(home.path(), &small(300)).unwrap());
    let blocker = beside(home.path());
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut calls = JoinSet::new();
    for n in 0..5 {
        let store = Arc::clone(&store);
        calls.spawn(async move { store.create_user(&name(&format!("user{n}")), "hash").await });
    }
    let answers = calls.join_all().await;
    let unknown = answers.iter().filter(|a| matches!(a, Err(StoreError::OutcomeUnknown(_)))).count();
    let refused = answers.iter().filter(|a| matches!(a, Err(StoreError::Unavailable(_)))).count();
    assert!(unknown <= 1 && unknown + refused == 5, "{answers:?}");
    blocker.execute_batch("ROLLBACK").unwrap();

    wait_until_writable(&*store).await;
    let sql = "SELECT count(*) FROM users WHERE username LIKE 'user%'";
    let done: u32 = blocker.query_row(sql, [], |row| row.get(0)).unwrap();
    assert!(done as usize <= unknown, "{done} of {unknown} may have been done");
}

async fn wait_until_writable(store: &dyn Store) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while store.check().await.is_err() {
        assert!(Instant::now() < deadline, "it does not recover");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reading_does_not_wait_for_writing() {
    let home = home();
    let store = SqliteStore::open_with(home.path(), &small(500)).unwrap();
    let alice = person(&store, "alice").await;
    let room = lobby(&store).await;
    store.append(&[say(room, alice, "a", "1")]).await.unwrap();
    let blocker = beside(home.path());
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(store.append(&[say(room, alice, "b", "2")]).await.is_err());
    assert_eq!(whole_log(&store, room).await.len(), 1);
    assert!(store.account(&name("alice")).await.unwrap().is_some());
    blocker.execute_batch("ROLLBACK").unwrap();
    wait_until_writable(&store).await;
    let retried = store.append(&[say(room, alice, "b", "2")]).await.unwrap();
    assert!(matches!(retried[..], [Appended::New { .. } | Appended::Again { .. }]));
    assert_eq!(whole_log(&store, room).await.len(), 2);
}

#[tokio::test]
async fn a_clock_that_was_set_back_does_not_take_a_room_with_it() {
    let home = home();
    let store = SqliteStore::open(home.path()).unwrap();
    let alice = person(&store, "alice").await;
    let room = lobby(&store).await;
    let ahead = in_seconds(&store, 300).await;
    beside(home.path()).execute("UPDATE rooms SET last_ts = ?1", [ahead.0]).unwrap();
    let answers = store.append(&[say(room, alice, "a", "1")]).await.unwrap();
    assert!(matches!(answers[..], [Appended::New { timestamp, .. }] if timestamp == ahead));
}

#[tokio::test]
async fn old_revocations_and_ended_sign_ins_are_swept() {
    let home = home();
    let store = SqliteStore::open(home.path()).unwrap();
    let alice: UserId = person(&store, "alice").await;
    let signed = crate::fixture::signed_in(&store, alice, 60).await;
    store.end_sign_in(signed.sid).await.unwrap();
    assert_eq!(store.sweep().await.unwrap(), 0, "both are too young");
    let sql = "UPDATE revocations SET at = at - 601000; UPDATE sign_ins SET ended_at = ended_at - 601000";
    beside(home.path()).execute_batch(sql).unwrap();
    assert_eq!(store.sweep().await.unwrap(), 2);
    let rows = "SELECT (SELECT count(*) FROM revocations) + (SELECT count(*) FROM sign_ins)";
    assert_eq!(beside(home.path()).query_row(rows, [], |row| row.get::<_, i64>(0)).unwrap(), 0);
}

#[tokio::test]
async fn a_sign_in_that_only_its_cookie_kept_is_swept_with_it() {
    let home = home();
    let store = SqliteStore::open(home.path()).unwrap();
    crate::cookies::kept_alone(&store, || {
        beside(home.path()).execute_batch("UPDATE active_tokens SET expires_at = 0").unwrap();
    })
    .await;
    beside(home.path()).execute_batch("UPDATE refresh_cookies SET expires_at = 0").unwrap();
    assert_eq!(store.sweep().await.unwrap(), 2, "the cookie and its sign-in");
    let rows = "SELECT (SELECT count(*) FROM refresh_cookies) + (SELECT count(*) FROM sign_ins)";
    assert_eq!(beside(home.path()).query_row(rows, [], |row| row.get::<_, i64>(0)).unwrap(), 0);
}

#[tokio::test]
async fn without_leave_to_migrate_an_older_schema_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let options = SqliteOptions { migrate: false, ..SqliteOptions::default() };
    let refused = SqliteStore::open_with(dir.path(), &options).map(drop).unwrap_err();
    assert!(
        matches!(refused, OpenError::Schema(SchemaError::Behind { found: 0, .. })),
        "{refused}"
    );
    SqliteStore::migrate(dir.path()).unwrap();
    SqliteStore::open_with(dir.path(), &options).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_opened_beside_a_node_reads_and_changes_nothing() {
    let home = home();
    assert!(matches!(SqliteStore::open_beside(home.path()), Err(OpenError::Missing(_))));
    let node = SqliteStore::open(home.path()).unwrap();
    let (alice, room) = (person(&node, "alice").await, lobby(&node).await);
    let reader = SqliteStore::open_beside(home.path()).unwrap();
    node.append(&[say(room, alice, "a", "1")]).await.unwrap();
    assert_eq!(reader.page(room, Slice::Newest, 10, 1 << 20).await.unwrap().events.len(), 1);
    let refused = reader.append(&[say(room, alice, "b", "2")]).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    reader.close().await;
    node.append(&[say(room, alice, "b", "2")]).await.unwrap();
    node.close().await;
    beside(home.path())
        .execute("DELETE FROM refinery_schema_history WHERE version > 1", [])
        .unwrap();
    let behind = SqliteStore::open_beside(home.path());
    assert!(matches!(behind, Err(OpenError::Schema(SchemaError::Behind { .. }))));
}
