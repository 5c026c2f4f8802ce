//! The PostgreSQL backend: fresh databases for the contract, and what only it promises.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use chorus::{
    shutdown::Tasks,
    store::{
        Accounts, Appended, Log, Retention, SchemaError, SignIns, Slice, Store, StoreError,
        postgres::{NodeLock, OpenError, PostgresOptions, PostgresStore},
    },
};
use futures_util::{FutureExt, future::join_all};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};

use crate::{
    fixture::{Opened, fill, in_seconds, lobby, name, person, say, signed_in},
    servers::postgres::Postgres,
};

/// Of what only a busy machine delays.
const LIMIT: Duration = Duration::from_mins(1);

/// The tables of the predecessor, as its text tells people to make them.
const PREDECESSOR: &str = "
    CREATE TABLE users (id SERIAL PRIMARY KEY, username VARCHAR(50) UNIQUE NOT NULL,
        password_hash VARCHAR(255) NOT NULL, created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP);
    CREATE TABLE active_tokens (id SERIAL PRIMARY KEY, token VARCHAR(64) UNIQUE NOT NULL,
        username VARCHAR(50) NOT NULL, created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
        FOREIGN KEY (username) REFERENCES users(username) ON DELETE CASCADE)";

/// One server for all tests that leave it alone, with a migrated database to copy.
pub(crate) struct Shared {
    pub(crate) server: Postgres,
    migrated: String,
}

pub(crate) fn shared() -> &'static Shared {
    static SHARED: OnceLock<Shared> = OnceLock::new();
    SHARED.get_or_init(|| {
        let server = Postgres::start_fast();
        let migrated = server.create_database(None);
        let url = server.url(&migrated).into();
        let migrating = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(PostgresStore::migrate(&url)).unwrap();
        });
        migrating.join().unwrap();
        Shared { server, migrated }
    })
}

fn options(url: String, lock: impl Into<Option<NodeLock>>) -> PostgresOptions {
    PostgresOptions {
        url: url.into(),
        migrate: true,
        lock: lock.into(),
        connections: 16,
    }
}

/// A fresh store for the contract.
pub(crate) async fn fresh() -> Opened {
    let shared = shared();
    let database = shared.server.create_database(Some(&shared.migrated));
    let store = open(&shared.server, &database, NodeLock::Shared).await.unwrap();
    Opened { store: Arc::new(store), _home: Box::new(()) }
}

pub(crate) async fn open(
    server: &Postgres,
    database: &str,
    lock: impl Into<Option<NodeLock>>,
) -> Result<PostgresStore, OpenError> {
    PostgresStore::open(&options(server.url(database), lock), &Tasks::new()).await
}

/// A server of one's own, to do harm to.
async fn own() -> (Postgres, String, PostgresStore) {
    let server = Postgres::start();
    let database = server.create_database(None);
    let store = open(&server, &database, NodeLock::Shared).await.unwrap();
    (server, database, store)
}

/// Within what any call promises, with what a busy machine adds.
async fn bounded<T>(call: impl Future<Output = T>) -> T {
    let began = Instant::now();
    let answer = call.await;
    // Two seconds, and what a busy machine adds.
    assert!(began.elapsed() < Duration::from_millis(2500), "{:?}", began.elapsed());
    answer
}

/// Asks again and again until it succeeds.
async fn recovers<T>(call: impl AsyncFn() -> Result<T, StoreError>) -> T {
    let began = Instant::now();
    loop {
        match call().await {
            Ok(answer) => return answer,
            Err(error) => assert!(began.elapsed() < LIMIT, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Runs SQL in another session of the shared server, and answers once `counted` does.
fn beside(database: &str, sql: &'static str, counted: &str) -> JoinHandle<()> {
    let (server, target) = (&shared().server, database.to_owned());
    let running = std::thread::spawn(move || drop(server.sql(&target, sql)));
    let began = Instant::now();
    while server.sql(database, counted) != "1" {
        assert!(began.elapsed() < LIMIT, "it does not begin");
    }
    running
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_nodes_may_start_at_once_on_an_empty_database() {
    let server = &shared().server;
    let database = server.create_database(None);
    let mut starting = JoinSet::new();
    for _ in 0..10 {
        let options = options(server.url(&database), NodeLock::Shared);
        starting.spawn(async move { PostgresStore::open(&options, &Tasks::new()).await.unwrap() });
    }
    for store in starting.join_all().await {
        lobby(&store).await;
        store.close().await;
    }
    let migrations = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/postgres");
    let migrations = std::fs::read_dir(migrations).unwrap().count().to_string();
    assert_eq!(
        server.sql(&database, "SELECT count(*) FROM refinery_schema_history"),
        migrations
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lone_node_has_its_database_alone() {
    let server = &shared().server;
    let database = server.create_database(None);
    let lone = open(server, &database, NodeLock::Exclusive).await.unwrap();
    for kind in [NodeLock::Exclusive, NodeLock::Shared] {
        assert!(matches!(open(server, &database, kind).await, Err(OpenError::Locked)));
    }
    open(server, &database, None).await.unwrap().close().await;
    lone.close().await;
    let first = open(server, &database, NodeLock::Shared).await.unwrap();
    let second = open(server, &database, NodeLock::Shared).await.unwrap();
    assert!(matches!(
        open(server, &database, NodeLock::Exclusive).await,
        Err(OpenError::Locked)
    ));
    first.close().await;
    second.close().await;
    open(server, &database, NodeLock::Exclusive).await.unwrap().close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_lost_the_lock_to_another_writes_nothing_until_it_is_back() {
    let server = &shared().server;
    let database = server.create_database(None);
    let store = open(server, &database, NodeLock::Exclusive).await.unwrap();
    let alice = person(&store, "alice").await;
    let room = lobby(&store).await;
    // Another session takes the lock in the moment in which the first one's is lost.
    let thief = beside(
        &database,
        "DO $$ BEGIN
            PERFORM pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database());
            PERFORM pg_advisory_lock(1128812370, 2);
            PERFORM pg_sleep(3);
         END $$",
        "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
         WHERE l.locktype = 'advisory' AND l.granted AND a.application_name = 'psql'
           AND a.datname = current_database()",
    );
    let refused = store.append(&[say(room, alice, "a", "while the other has it")]).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    assert!(store.check().await.is_err(), "and the node is not ready");
    thief.join().unwrap();
    recovers(async || store.append(&[say(room, alice, "b", "back")]).await).await;
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_predecessors_database_is_taken_over_in_place() {
    let server = &shared().server;
    let database = server.create_database(None);
    server.sql(&database, PREDECESSOR);
    server.sql(
        &database,
        "INSERT INTO users (username, password_hash) VALUES
             ('alice', 'old hash of alice'), ('Alice', 'old hash of Alice'), ('Bob', 'old hash of Bob'),
             ('a name with spaces', 'x');
         INSERT INTO active_tokens (token, username) VALUES ('t', 'alice')",
    );
    let store = open(server, &database, NodeLock::Shared).await.unwrap();
    let found = async |spelling: &str| {
        let account = store.account(&name(spelling)).await.unwrap();
        account.map(|account| (account.id.0, account.password_hash))
    };
    assert_eq!(found("alice").await, Some((1, "old hash of alice".to_owned())));
    assert_eq!(found("Alice").await, Some((2, "old hash of Alice".to_owned())));
    assert_eq!(found("ALICE").await, None, "which of the two is not guessed");
    assert_eq!(
        found("bob").await,
        Some((3, "old hash of Bob".to_owned())),
        "an only one is found"
    );
    for twin in ["ALICE", "alice", "BOB"] {
        assert!(
            matches!(store.create_user(&name(twin), "h").await, Err(StoreError::Taken)),
            "{twin}"
        );
    }
    assert!(person(&store, "carol").await.0 > 4, "numbers go on");

    // The first twin's name is the other's still; after both have gone it is free.
    store.delete_user(chorus::domain::UserId(1)).await.unwrap();
    assert!(matches!(store.create_user(&name("alice"), "h").await, Err(StoreError::Taken)));
    assert_eq!(found("alice").await.unwrap().0, 2, "now it is an only one");
    store.delete_user(chorus::domain::UserId(2)).await.unwrap();
    person(&store, "alice").await;
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_nodes_may_take_over_the_predecessors_database_at_once() {
    let server = &shared().server;
    let database = server.create_database(None);
    server.sql(&database, PREDECESSOR);
    let many =
        "INSERT INTO users (username, password_hash) SELECT 'user' || n, 'h' FROM generate_series(1, 1000) n";
    server.sql(&database, many);
    let mut starting = JoinSet::new();
    for _ in 0..10 {
        let options = options(server.url(&database), NodeLock::Shared);
        starting.spawn(async move { PostgresStore::open(&options, &Tasks::new()).await.unwrap() });
    }
    for store in starting.join_all().await {
        assert_eq!(store.account(&name("USER1000")).await.unwrap().unwrap().id.0, 1000);
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_frozen_is_not_waited_for_without_end_when_it_is_opened() {
    let (server, database, store) = own().await;
    store.close().await;
    server.freeze();
    let began = Instant::now();
    let opened = open(&server, &database, NodeLock::Exclusive).await;
    assert!(matches!(&opened, Err(error) if error.may_pass()), "{:?}", opened.err());
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    server.thaw();
    open(&server, &database, NodeLock::Exclusive).await.unwrap().close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sslmode_means_what_it_means_to_libpq() {
    let server = Postgres::start_fast();
    let (database, authority) = (server.create_database(None), server.enable_tls());
    let plain = server.url(&database);
    let (named, authority) = (plain.replace("127.0.0.1", "localhost"), authority.display());
    let encrypted = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
        WHERE application_name = 'chorus'";
    let connects = async |url: String| {
        let store = PostgresStore::open(&options(url, NodeLock::Shared), &Tasks::new()).await.ok()?;
        store.now().await.unwrap();
        let encrypted = server.sql(&database, encrypted) == "t";
        store.close().await;
        Some(encrypted)
    };
    eventually_tls(async || connects(format!("{plain}?sslmode=require")).await).await;
    assert_eq!(connects(format!("{plain}?sslmode=disable")).await, Some(false));
    assert_eq!(connects(plain.clone()).await, Some(true), "preferred");
    let known = format!("{plain}?sslmode=verify-ca&sslrootcert={authority}");
    assert_eq!(
        connects(known).await,
        Some(true),
        "the authority is known, the name does not matter"
    );
    let full = |url: &str| format!("{url}?sslmode=verify-full&sslrootcert={authority}");
    assert_eq!(connects(full(&named)).await, Some(true));
    assert_eq!(connects(full(&plain)).await, None, "the certificate is for another name");
    assert_eq!(
        connects(format!("{named}?sslmode=verify-full")).await,
        None,
        "nobody the system trusts"
    );
}

/// A server takes up its new settings when it has read them.
async fn eventually_tls(connects: impl AsyncFn() -> Option<bool>) {
    let began = Instant::now();
    while connects().await != Some(true) {
        assert!(began.elapsed() < LIMIT, "it never speaks TLS");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_is_behind_or_too_new_is_refused() {
    let server = &shared().server;
    let database = server.create_database(None);
    let mut waiting = options(server.url(&database), NodeLock::Shared);
    waiting.migrate = false;
    assert!(matches!(
        PostgresStore::open(&waiting, &Tasks::new()).await,
        Err(OpenError::Schema(SchemaError::Behind { found: 0, .. }))
    ));
    PostgresStore::migrate(&waiting.url).await.unwrap();
    PostgresStore::open(&waiting, &Tasks::new()).await.unwrap().close().await;
    let newer = "INSERT INTO refinery_schema_history SELECT 900, name, applied_on, checksum
        FROM refinery_schema_history WHERE version = 1";
    server.sql(&database, newer);
    PostgresStore::open(&waiting, &Tasks::new()).await.unwrap().close().await;
    server.sql(&database, "UPDATE schema_compat SET oldest = 900");
    assert!(matches!(
        PostgresStore::open(&waiting, &Tasks::new()).await,
        Err(OpenError::Schema(SchemaError::TooNew { found: 900, oldest: 900, .. }))
    ));
}

/// Longer than a call waits for a connection, shorter than one may take to be made.
const SLOW: Duration = Duration::from_millis(950);

/// Forwards connections to `target`, each only after a while once `slow` is set.
async fn forward(from: TcpListener, target: String, slow: Arc<AtomicBool>) {
    let mut connections = JoinSet::new();
    while let Ok((mut client, _)) = from.accept().await {
        let (target, slow) = (target.clone(), slow.clone());
        connections.spawn(async move {
            if slow.load(Ordering::Relaxed) {
                tokio::time::sleep(SLOW).await;
            }
            let mut server = TcpStream::connect(target).await.unwrap();
            let _ = copy_bidirectional(&mut client, &mut server).await;
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_under_which_another_chats_database_is_put_ends_and_one_that_gets_its_own_back_goes_on() {
    let (server, migrated, tasks) = (&shared().server, &shared().migrated, Tasks::new());
    let database = server.create_database(Some(migrated));
    let options = options(server.url(&database), NodeLock::Shared);
    let store = PostgresStore::open(&options, &tasks).await.unwrap();
    let replace = |with: &str| {
        server.sql("postgres", &format!("DROP DATABASE {database} WITH (FORCE)"));
        server.sql("postgres", &format!("CREATE DATABASE {database} TEMPLATE {with}"));
    };
    replace(migrated);
    recovers(async || store.check().await).await;
    assert!(tasks.failed().now_or_never().is_none(), "a copy is the same chat");

    let others = server.create_database(None);
    PostgresStore::migrate(&server.url(&others).into()).await.unwrap();
    replace(&others);
    timeout(LIMIT, tasks.failed()).await.expect("the node ends");
    let refused = store.check().await;
    assert!(
        matches!(refused, Err(StoreError::Unavailable(_))),
        "and writes nothing there: {refused:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_takes_longer_than_its_caller_waits_is_there_for_the_next() {
    let server = &shared().server;
    let (database, slow) = (server.create_database(None), Arc::new(AtomicBool::new(false)));
    let url = server.url(&database);
    let target = url.split(['@', '/']).find(|part| part.starts_with("127.0.0.1:")).unwrap();
    let relay = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let through = url.replace(target, &relay.local_addr().unwrap().to_string());
    let mut relays = JoinSet::new();
    relays.spawn(forward(relay, target.to_owned(), slow.clone()));
    let store = PostgresStore::open(&options(through, None), &Tasks::new()).await.unwrap();
    store.now().await.unwrap();

    slow.store(true, Ordering::Relaxed);
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    server.sql(&database, end);
    let mut calls = 0;
    while bounded(store.now()).await.is_err() {
        calls += 1;
        assert!(calls < 10, "each call began to connect anew, and none was patient enough");
    }
    assert!(calls > 0, "the first one can't have had the time");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_of_a_silent_server_leave_no_more_tasks_than_there_may_be_connections() {
    let (server, _, store) = own().await;
    server.freeze();
    let (tasks, alive) = (tokio::runtime::Handle::current(), AtomicUsize::new(0));
    let before = tasks.metrics().num_alive_tasks();
    let calls = join_all((0..100).map(|_| async {
        let refused = bounded(store.now()).await;
        alive.fetch_max(tasks.metrics().num_alive_tasks(), Ordering::Relaxed);
        assert!(refused.is_err());
    }));
    calls.await;
    let (alive, most) = (alive.into_inner().saturating_sub(before), 16 / 2);
    assert!(
        (1..=most).contains(&alive),
        "{alive}: they go on without their callers, and are few"
    );
    store.close().await;
    let began = Instant::now();
    while tasks.metrics().num_alive_tasks() > before {
        assert!(began.elapsed() < LIMIT, "what was begun ends with the store");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    server.thaw();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_server_keeps_nobody_longer_than_two_seconds() {
    let (server, _, store) = own().await;
    let alice = person(&store, "alice").await;
    let room = lobby(&store).await;
    store.append(&[say(room, alice, "a", "before")]).await.unwrap();
    server.freeze();
    let appended = bounded(store.append(&[say(room, alice, "b", "while")])).await;
    assert!(matches!(appended, Err(StoreError::OutcomeUnknown(_))), "{appended:?}");
    for _ in 0..2 {
        assert!(matches!(bounded(store.now()).await, Err(StoreError::Unavailable(_))));
        assert!(bounded(store.check()).await.is_err());
    }
    let mut many = JoinSet::new();
    let store = Arc::new(store);
    for n in 0..100 {
        let store = store.clone();
        many.spawn(async move { bounded(store.account(&name(&format!("user{n}")))).await.is_err() });
    }
    assert!(many.join_all().await.into_iter().all(|failed| failed));
    server.thaw();
    let again = async || store.append(&[say(room, alice, "b", "while")]).await;
    let answers = recovers(again).await;
    assert!(matches!(answers[..], [Appended::New { seq, .. } | Appended::Again { seq, .. }] if seq.0 == 2));
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_is_found_again_and_nothing_is_lost() {
    let (server, _, store) = own().await;
    let alice = person(&store, "alice").await;
    let room = lobby(&store).await;
    for n in 0..50 {
        store.append(&[say(room, alice, &format!("a{n}"), "acknowledged")]).await.unwrap();
    }
    server.kill();
    assert!(bounded(store.append(&[say(room, alice, "lost", "?")])).await.is_err());
    server.restart();
    let again = async || store.append(&[say(room, alice, "lost", "?")]).await;
    let answers = recovers(again).await;
    assert!(matches!(answers[..], [Appended::New { seq, .. }] if seq.0 == 51));
    recovers(async || store.check().await).await;
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_server_refuses_what_is_said_and_lets_read() {
    let (server, database, store) = own().await;
    let alice = person(&store, "alice").await;
    let room = lobby(&store).await;
    store.append(&[say(room, alice, "a", "before")]).await.unwrap();
    server.sql(
        "postgres",
        &format!("ALTER DATABASE {database} SET default_transaction_read_only = on"),
    );
    let kick = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    server.sql(&database, kick);
    let refused = async || match store.append(&[say(room, alice, "b", "while")]).await {
        Err(StoreError::Unavailable(why)) if why.contains("25006") => Ok(()),
        Err(other) => Err(other),
        Ok(_) => panic!("nothing can be written"),
    };
    recovers(refused).await;
    assert!(store.check().await.is_err(), "the node is not ready");
    assert_eq!(store.page(room, Slice::Newest, 10, 1 << 16).await.unwrap().events.len(), 1);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_that_is_locked_keeps_nobody_longer_than_two_seconds() {
    let server = &shared().server;
    let database = server.create_database(Some(&shared().migrated));
    let store = open(server, &database, NodeLock::Shared).await.unwrap();
    let alice = person(&store, "alice").await;
    let room = lobby(&store).await;
    let holder = beside(
        &database,
        "BEGIN; SELECT 1 FROM rooms FOR UPDATE; SELECT pg_sleep(4); COMMIT",
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%FOR UPDATE; SELECT pg_sleep(4)%'
         AND wait_event = 'PgSleep' AND datname = current_database()",
    );
    let refused = bounded(store.append(&[say(room, alice, "a", "1")])).await;
    assert!(
        matches!(&refused, Err(StoreError::Unavailable(why)) if why.contains("55P03")),
        "{refused:?}"
    );
    holder.join().unwrap();
    let answer = store.append(&[say(room, alice, "a", "1")]).await.unwrap();
    assert!(
        matches!(answer[..], [Appended::New { seq, .. }] if seq.0 == 1),
        "nothing was half done"
    );
    store.close().await;
}

/// From now on the database's clock goes wrong by so many milliseconds.
fn set_clock(server: &Postgres, database: &str, ahead: i64) {
    let sql = "CREATE OR REPLACE FUNCTION chorus_now() RETURNS bigint LANGUAGE sql VOLATILE AS
        $$ SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint + ";
    server.sql(database, &format!("{sql}{ahead} $$"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_too_late_is_not_appended_however_the_clock_is_set() {
    let server = &shared().server;
    let database = server.create_database(Some(&shared().migrated));
    let store = open(server, &database, NodeLock::Shared).await.unwrap();
    let alice = person(&store, "alice").await;
    let room = lobby(&store).await;
    let append = async |id: &str, time: Duration| {
        store.append_until(&[say(room, alice, id, "text")], Instant::now() + time).await
    };
    let (time, none) = (Duration::from_secs(2), Duration::ZERO);
    for (n, ahead) in [0, 300_000, -300_000, 0].into_iter().enumerate() {
        set_clock(server, &database, ahead);
        // A clock that was set forward is found out by one refusal.
        if let Err(refused) = append(&format!("a{n}"), time).await {
            assert!(ahead > -300_000 && n > 0, "{refused}");
            assert!(matches!(&refused, StoreError::Unavailable(why) if why.contains("too late")));
            append(&format!("a{n}"), time).await.unwrap();
        }
        let refused = append(&format!("late{n}"), none).await;
        assert!(matches!(&refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    }
    let holder = beside(
        &database,
        "BEGIN; SELECT 1 FROM rooms FOR UPDATE; SELECT pg_sleep(0.7); COMMIT",
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%FOR UPDATE; SELECT pg_sleep(0.7)%'
         AND wait_event = 'PgSleep' AND datname = current_database()",
    );
    let refused = append("waited", Duration::from_millis(300)).await;
    assert!(
        matches!(&refused, Err(StoreError::Unavailable(_))),
        "it waited for the room: {refused:?}"
    );
    holder.join().unwrap();
    let page = store.page(room, Slice::Newest, 100, 1 << 16).await.unwrap();
    let ids: Vec<_> = page.events.iter().map(|event| event.id.as_str()).collect();
    assert_eq!(ids, ["a0", "a1", "a2", "a3"]);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_that_only_its_cookie_kept_is_swept_with_it() {
    let server = &shared().server;
    let database = server.create_database(Some(&shared().migrated));
    let store = open(server, &database, NodeLock::Shared).await.unwrap();
    crate::cookies::kept_alone(&store, || {
        server.sql(&database, "UPDATE active_tokens SET expires_at = chorus_now() - 61000");
    })
    .await;
    server.sql(&database, "UPDATE refresh_cookies SET expires_at = chorus_now() - 61000");
    assert_eq!(store.sweep().await.unwrap(), 2, "the cookie and its sign-in");
    let left = "SELECT (SELECT count(*) FROM sign_ins) + (SELECT count(*) FROM refresh_cookies)";
    assert_eq!(server.sql(&database, left), "0");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_tell_each_other_whether_they_reach_the_bus() {
    let server = &shared().server;
    let database = server.create_database(Some(&shared().migrated));
    let (here, there) = (
        open(server, &database, NodeLock::Shared).await.unwrap(),
        open(server, &database, NodeLock::Shared).await.unwrap(),
    );
    let (a, b) = (uuid::Uuid::new_v4(), uuid::Uuid::new_v4());
    assert!(!here.exchange_health(a, true).await.unwrap(), "one's own word is not a peer's");
    assert!(there.exchange_health(b, false).await.unwrap());
    assert!(!here.exchange_health(a, false).await.unwrap());
    server.sql(&database, "UPDATE node_health SET bus_reached = true, at = at - 5001");
    assert!(!here.exchange_health(a, false).await.unwrap(), "an old word does not count");
    let signed = signed_in(&here, person(&here, "alice").await, 60).await;
    assert!(there.end_sign_in(signed.sid).await.unwrap(), "one database");
    assert_eq!(here.ended_within(Duration::from_mins(1)).await.unwrap(), [signed.sid]);
    here.close().await;
    there.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_who_talks_waits_for_a_step_that_deletes_and_no_step_for_them() {
    let Shared { server, migrated } = shared();
    let database = server.create_database(Some(migrated));
    let store = open(server, &database, NodeLock::Shared).await.unwrap();
    let alice = person(&store, "alice").await;
    let room = lobby(&store).await;
    fill(&store, room, alice, 20).await;
    let later = in_seconds(&store, 3600).await;
    // A node stands still in the midst of a step.
    let deleting = beside(
        &database,
        "BEGIN; SELECT chorus_expire(chorus_now() + 1000, 0, 500, 10); SELECT pg_sleep(5); COMMIT",
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%500, 10); SELECT pg_sleep(5)%'
         AND wait_event = 'PgSleep' AND datname = current_database()",
    );
    let said = bounded(store.append(&[say(room, alice, "meanwhile", "1")])).await.unwrap();
    assert!(matches!(said[..], [Appended::New { seq, .. }] if seq.0 == 21), "{said:?}");
    deleting.join().unwrap();

    // And somebody in the midst of an append.
    let appending = beside(
        &database,
        "BEGIN; SELECT 1 FROM rooms FOR UPDATE; SELECT pg_sleep(4); COMMIT",
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%FOR UPDATE; SELECT pg_sleep(4)%'
         AND wait_event = 'PgSleep' AND datname = current_database()",
    );
    let step = bounded(store.expire(later, None)).await.unwrap();
    assert_eq!(step.events, 10);
    assert_eq!(server.sql(&database, "SELECT string_agg(seq::text, ' ') FROM messages"), "21");
    appending.join().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_racing_nodes_one_deletes_and_a_clock_that_was_set_back_keeps_none_from_it() {
    let Shared { server, migrated } = shared();
    let database = server.create_database(Some(migrated));
    let store = Arc::new(open(server, &database, NodeLock::Shared).await.unwrap());
    let mut racing = JoinSet::new();
    for _ in 0..8 {
        let store = Arc::clone(&store);
        racing.spawn(async move { store.claim_expiry(Duration::from_mins(1)).await.unwrap() });
    }
    assert_eq!(racing.join_all().await.into_iter().filter(|turn| *turn).count(), 1);
    assert!(!store.claim_expiry(Duration::from_mins(1)).await.unwrap());
    server.sql(&database, "UPDATE expiry SET begun_at = chorus_now() + 3600000");
    assert!(store.claim_expiry(Duration::from_mins(1)).await.unwrap());
}
