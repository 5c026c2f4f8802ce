//! Read replicas, on a real streaming one: asked while it keeps up, made up for when it doesn't.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chorus::{
    domain::{Seq, SignInId},
    shutdown::Tasks,
    store::{
        Accounts, LaggingReads, Log, NewToken, SignIns, Slice, StoreError,
        postgres::{PostgresOptions, PostgresStore},
    },
};

use crate::{
    fixture::{lobby, name, person, say, signed_in, token},
    servers::postgres::Postgres,
};

/// A primary, its replicas, and a store that knows them.
struct Scene {
    primary: Postgres,
    replicas: Vec<Postgres>,
    store: Arc<PostgresStore>,
    reads: Arc<dyn LaggingReads>,
    tasks: Tasks,
}

impl Scene {
    async fn with(replicas: usize) -> Self {
        let primary = Postgres::start_fast();
        let database = primary.create_database(None);
        PostgresStore::migrate(&primary.url(&database).into()).await.unwrap();
        let replicas: Vec<Postgres> = (0..replicas).map(|_| Postgres::start_replica(&primary)).collect();
        let tasks = Tasks::new();
        let url = primary.url(&database).into();
        let options = PostgresOptions { url, migrate: true, lock: None, connections: 16 };
        let store = Arc::new(PostgresStore::open(&options, &tasks).await.unwrap());
        let urls: Vec<_> = replicas.iter().map(|replica| replica.url(&database).into()).collect();
        let reads = store.replicas(&urls, &tasks).unwrap();
        Self { primary, replicas, store, reads, tasks }
    }

    /// Whether an account is found while the primary is frozen: then the replica was asked.
    async fn is_asked(&self) -> bool {
        self.primary.freeze();
        let found = self.reads.lagging_account(&name("alice")).await;
        self.primary.thaw();
        matches!(found, Ok(Some(_)))
    }

    /// What the replica knows of these tokens.
    async fn sign_ins<const N: usize>(&self, of: [&NewToken; N]) -> [Option<SignInId>; N] {
        let found = self.reads.lagging_sign_ins(&of.map(|it| it.hash)).await.unwrap();
        let sids: Vec<_> = found.into_iter().map(|found| found.map(|it| it.sid)).collect();
        sids.try_into().unwrap()
    }

    /// Waits until the replica knows so much of these tokens.
    async fn until_it_knows<const N: usize>(&self, of: [&NewToken; N], known: [Option<SignInId>; N]) {
        let began = Instant::now();
        while self.sign_ins(of).await != known {
            assert!(began.elapsed() < Duration::from_secs(15), "never {known:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until the replica is asked.
    async fn until_asked(&self) {
        let began = Instant::now();
        while !self.is_asked().await {
            assert!(began.elapsed() < Duration::from_secs(20), "it is never asked");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    async fn end(self) {
        self.tasks.stop();
        assert!(self.tasks.join(Duration::from_secs(10)).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_keeps_up_is_asked_and_what_it_misses_is_found_on_the_primary() {
    let scene = Scene::with(1).await;
    let alice = person(&*scene.store, "alice").await;
    let early = signed_in(&*scene.store, alice, 60).await;
    scene.until_asked().await;
    let stranger = token(&*scene.store, alice, SignInId::random(), 60).await;
    scene.until_it_knows([&stranger, &early, &stranger], [None, Some(early.sid), None]).await;

    // From here on the replica stands still: nobody notices.
    scene.replicas[0].sql("postgres", "SELECT pg_wal_replay_pause()");
    let bob = person(&*scene.store, "bob").await;
    let found = scene.reads.lagging_account(&name("bob")).await.unwrap().unwrap();
    assert_eq!(found.id, bob, "a miss is asked of the primary");
    let late = signed_in(&*scene.store, alice, 60).await;
    assert_eq!(scene.sign_ins([&late]).await, [None], "whoever asks asks the primary");
    let room = lobby(&*scene.store).await;
    scene.store.append(&[say(room, alice, "a", "1")]).await.unwrap();
    let page = scene.reads.lagging_page(room, Slice::Newest, 10, 1 << 16, Seq(1)).await.unwrap();
    assert_eq!(page.events.len(), 1, "who knows of it finds it");
    assert!(scene.reads.lagging_account(&name("nobody")).await.unwrap().is_none());
    scene.replicas[0].sql("postgres", "SELECT pg_wal_replay_resume()");
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_lags_is_not_asked_until_it_has_caught_up() {
    let scene = Scene::with(1).await;
    let alice = person(&*scene.store, "alice").await;
    let signed = signed_in(&*scene.store, alice, 60).await;
    scene.until_asked().await;
    scene.until_it_knows([&signed], [Some(signed.sid)]).await;
    scene.replicas[0].sql("postgres", "SELECT pg_wal_replay_pause()");
    assert!(scene.store.end_sign_in(signed.sid).await.unwrap());
    scene.until_it_knows([&signed], [None]).await;
    // A password that changed meanwhile begins nothing, whatever the replica says of it.
    let late = token(&*scene.store, alice, SignInId::random(), 60).await;
    scene.store.change_password(alice, "hash", "new", None).await.unwrap();
    assert!(!scene.store.begin_sign_in(&late, "hash").await.unwrap());
    scene.replicas[0].sql("postgres", "SELECT pg_wal_replay_resume()");
    scene.until_asked().await;
    assert_eq!(scene.sign_ins([&signed]).await, [None], "never revived");
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_or_frozen_replica_costs_a_moment_and_no_answer() {
    let scene = Scene::with(1).await;
    person(&*scene.store, "alice").await;
    scene.until_asked().await;
    let asked = async || {
        let began = Instant::now();
        let found = scene.reads.lagging_account(&name("alice")).await;
        assert!(
            matches!(&found, Ok(Some(_))),
            "{:?}",
            found.map(drop).map_err(|error: StoreError| error)
        );
        began.elapsed()
    };
    scene.replicas[0].freeze();
    assert!(asked().await < Duration::from_millis(2500));
    scene.replicas[0].thaw();
    scene.replicas[0].kill();
    for _ in 0..10 {
        assert!(asked().await < Duration::from_millis(2500));
    }
    scene.replicas[0].restart();
    scene.until_asked().await;
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_replicas_the_living_one_serves() {
    let scene = Scene::with(2).await;
    person(&*scene.store, "alice").await;
    scene.until_asked().await;
    let questions = || {
        let read = "SELECT coalesce(sum(seq_scan + idx_scan), 0) > 0 FROM pg_stat_user_tables
            WHERE relname = 'users'";
        scene.replicas.iter().all(|replica| replica.sql("test0", read) == "t")
    };
    let began = Instant::now();
    while !questions() {
        assert!(began.elapsed() < Duration::from_secs(20), "each has its turn");
        for _ in 0..10 {
            scene.reads.lagging_account(&name("alice")).await.unwrap();
        }
    }
    scene.replicas[0].kill();
    scene.until_asked().await;
    scene.end().await;
}
