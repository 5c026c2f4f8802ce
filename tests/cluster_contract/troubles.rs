//! What only Redis brings: it dies, freezes, fills up, fails over, loses its memory, and somebody else
//! writes into it. Calls fail within their limits, and everything works again by itself.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use chorus::{
    cluster::{Heard, Incarnation},
    domain::{RoomId, Username},
    shutdown::Tasks,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf},
    sync::watch,
};

use crate::{
    fixture::{Ears, LIMIT, NodeEnds, any_room, bell, eventually, set, sorted, typing},
    redis::{Home, any_space, node},
    servers::redis::{Redis, RedisCluster, Sentinels},
};

/// FAULTS: what a call may take while nothing answers. Its own limit is much less.
const FAILS_WITHIN: Duration = Duration::from_secs(2);

/// Two nodes of one chat.
struct Pair {
    one: NodeEnds,
    other: NodeEnds,
    ears: Ears,
    room: RoomId,
    space: String,
    _home: Home,
}

impl Pair {
    async fn on(url: &str) -> Self {
        Self::on_both(url, url).await
    }

    /// Of which the second, the one that listens, reaches Redis by a way of its own.
    async fn on_both(url: &str, other_url: &str) -> Self {
        let (space, tasks) = (any_space(), Tasks::new());
        let (one, other) = (node(url, &space, &tasks).await, node(other_url, &space, &tasks).await);
        let (ears, room) = (Ears::of(&other), any_room());
        other.subscribe(room).await;
        let mut pair = Self { one, other, ears, room, space, _home: Home(tasks) };
        pair.hears().await;
        pair
    }

    /// Waits until what the one says is heard by the other, for whom a notice may be lost.
    async fn hears(&mut self) {
        let began = Instant::now();
        loop {
            assert!(began.elapsed() < LIMIT, "nothing is heard");
            let envelope =
                chorus::cluster::Envelope { from: Incarnation::random(), notice: typing(self.room) };
            let told = format!("{envelope:?}");
            if self.one.bus.publish(envelope).await.is_ok() && self.heard(&told).await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn heard(&mut self, told: &str) -> bool {
        let soon = tokio::time::sleep(Duration::from_millis(300));
        tokio::pin!(soon);
        loop {
            tokio::select! {
                heard = self.ears.0.recv() => match heard.expect("the bus lives") {
                    Heard::Said(said) if format!("{said:?}") == told => return true,
                    _ => {}
                },
                () = &mut soon => return false,
            }
        }
    }

    /// Waits for the word that something may have been missed.
    async fn is_interrupted(&mut self) {
        while !matches!(self.ears.next().await, Heard::Interrupted) {}
    }

    /// That everything asked fails now, and quickly.
    async fn is_refused(&self) {
        let began = Instant::now();
        let (me, rooms) = (Incarnation::random(), [self.room]);
        let envelope = chorus::cluster::Envelope { from: me, notice: bell() };
        let (change, sets, versions, beat, rung) = tokio::join!(
            self.one.change(me, self.room, &["alice"], &[]),
            self.one.presence.sets(self.room),
            self.one.presence.versions(&rooms),
            self.one.presence.beat(me),
            self.one.bus.publish(envelope),
        );
        assert!(change.is_err() && sets.is_err() && versions.is_err() && beat.is_err() && rung.is_err());
        assert!(began.elapsed() < FAILS_WITHIN, "{:?}", began.elapsed());
    }

    /// Waits until sets can be changed again.
    async fn changes(&self, me: Incarnation) {
        eventually("sets can be changed", async || {
            self.one.change(me, self.room, &["alice"], &[]).await.is_ok()
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_dies_and_comes_back_empty_begins_another_era() {
    let server = Redis::start();
    let mut pair = Pair::on(&server.url()).await;
    let me = Incarnation::random();
    pair.changes(me).await;
    let before = pair.one.presence.sets(pair.room).await.unwrap().version;
    server.kill();
    pair.is_interrupted().await;
    pair.is_refused().await;
    server.restart();
    pair.is_interrupted().await;
    pair.changes(me).await;
    let after = pair.one.presence.sets(pair.room).await.unwrap();
    assert!(after.version.contradicts(before), "{before:?} {after:?}");
    // Each node comes back in its own time.
    eventually("the other one sees it", async || {
        let found = pair.other.presence.sets(pair.room).await;
        found.is_ok_and(|found| sorted(found) == [set(me, &["alice"])])
    })
    .await;
    pair.hears().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_server_fails_quickly_and_nothing_said_meanwhile_is_done_later() {
    let server = Redis::start();
    let mut pair = Pair::on(&server.url()).await;
    server.freeze();
    pair.is_refused().await;
    pair.is_refused().await;
    server.thaw();
    pair.changes(Incarnation::random()).await;
    pair.hears().await;
    let [only] = &pair.one.sets(pair.room).await[..] else { panic!("one set") };
    assert_eq!(only.1, ["alice"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_that_are_cut_alone_come_back() {
    let server = Redis::start();
    let mut pair = Pair::on(&server.url()).await;
    for _ in 0..3 {
        server.kill_subscribers();
        pair.is_interrupted().await;
        pair.hears().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_that_is_dead_though_connected_is_noticed() {
    let server = Redis::start();
    let wire = Wire::to(server.url().rsplit(':').next().unwrap().parse().unwrap()).await;
    let mut pair = Pair::on_both(&server.url(), &format!("redis://127.0.0.1:{}", wire.port)).await;
    let listeners = server.cli(&["CLIENT", "LIST", "TYPE", "pubsub"]);
    let ports = listeners.lines().filter_map(|line| {
        let address = line.split(' ').find_map(|part| part.strip_prefix("addr="))?;
        address.rsplit(':').next()?.parse::<u16>().ok()
    });
    assert_eq!(
        ports.map(|port| usize::from(wire.silence(port))).sum::<usize>(),
        1,
        "{listeners}"
    );
    let began = Instant::now();
    pair.is_interrupted().await;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    pair.hears().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_server_refuses_changes_of_the_sets_and_nothing_else() {
    let server = Redis::start();
    let mut pair = Pair::on(&server.url()).await;
    let me = Incarnation::random();
    pair.changes(me).await;
    server.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    assert!(pair.one.change(me, pair.room, &["bob"], &[]).await.is_err());
    assert_eq!(pair.other.sets(pair.room).await, [set(me, &["alice"])], "all or nothing");
    pair.one.version(pair.room).await;
    pair.hears().await;
    server.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(pair.one.change(me, pair.room, &["bob"], &[]).await.unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_fits_into_one_set() {
    let server = Redis::start();
    let pair = Pair::on(&server.url()).await;
    let (me, room) = (Incarnation::random(), pair.room);
    let crowd: Vec<Username> =
        (0..10_000).map(|n| Username::parse(&format!("user{n:05}")).unwrap()).collect();
    let version = pair.one.presence.change(me, room, &crowd, &[]).await.unwrap();
    assert_eq!(version.unwrap().number, 1, "one change");
    let [(_, found)] = &pair.other.sets(room).await[..] else { panic!("one set") };
    assert!(found.iter().eq(crowd.iter().map(Username::as_str)));
    assert_eq!(pair.other.presence.counts(&[room], &[]).await.unwrap(), [10_000]);
    assert_eq!(
        pair.one.presence.change(me, room, &[], &crowd).await.unwrap().unwrap().number,
        2
    );
    assert!(pair.other.sets(room).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_publish_on_our_channels_harms_nothing() {
    let server = Redis::start();
    let mut pair = Pair::on(&server.url()).await;
    while pair.ears.0.try_recv().is_ok() {}
    let channels = [
        format!("{}:bell:{}", pair.space, pair.room.0),
        format!("{}:bell:all", pair.space),
    ];
    for garbage in [
        "",
        "{",
        "null",
        "[]",
        r#"{"v":1}"#,
        r#"{"v":2,"from":"x"}"#,
        "\u{1}",
        &"[".repeat(50_000),
    ] {
        for channel in &channels {
            assert!(
                server.cli(&["PUBLISH", channel, garbage]).parse::<u32>().unwrap() > 0,
                "somebody listens"
            );
        }
    }
    let told = pair.one.ring(typing(pair.room)).await;
    assert_eq!(pair.ears.until(&told).await, [told], "and nothing else is heard");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_cluster_that_fails_over_or_moves_a_slot_is_followed() {
    let servers = RedisCluster::start();
    let mut pair = Pair::on(&servers.url()).await;
    let (me, channel) = (Incarnation::random(), format!("{}:bell:{}", pair.space, pair.room.0));
    let room = format!("{}:{{r:{}}}:v", pair.space, pair.room.0);
    pair.changes(me).await;
    servers.move_slot_of(&channel);
    pair.hears().await;
    servers.move_slot_of(&room);
    pair.changes(me).await;
    servers.master_of(&channel).kill();
    pair.hears().await;
    eventually("every room can be changed", async || {
        pair.one.change(me, pair.room, &["bob"], &[]).await.is_ok()
            && pair.one.presence.beat(me).await.is_ok()
            // Each node finds the new primaries by itself.
            && pair.other.presence.sets(pair.room).await.is_ok()
    })
    .await;
    assert_eq!(pair.other.sets(pair.room).await, [set(me, &["alice", "bob"])]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_dies_is_replaced_through_sentinel() {
    let all = Sentinels::start();
    let mut pair = Pair::on(&all.url()).await;
    let me = Incarnation::random();
    pair.changes(me).await;
    all.servers[0].kill();
    pair.is_interrupted().await;
    pair.changes(me).await;
    pair.hears().await;
    assert!(pair.one.presence.beat(me).await.is_ok());
}

/// A way to a server on which single connections can fall silent: nothing comes from the server any
/// more, and nobody is told.
struct Wire {
    port: u16,
    silent: Arc<Mutex<HashMap<u16, watch::Sender<bool>>>>,
}

impl Wire {
    async fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let silent: Arc<Mutex<HashMap<u16, watch::Sender<bool>>>> = Arc::default();
        let known = silent.clone();
        tokio::runtime::Handle::current().spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let Ok(far) = TcpStream::connect(("127.0.0.1", server)).await else { continue };
                let (silence, is_silent) = watch::channel(false);
                known.lock().unwrap().insert(far.local_addr().unwrap().port(), silence);
                let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
                let handle = tokio::runtime::Handle::current();
                handle.spawn(pass(near_read, far_write, watch::channel(false).1));
                handle.spawn(pass(far_read, near_write, is_silent));
            }
        });
        Self { port, silent }
    }

    /// Silences the connection that reaches the server from this port; whether there is one.
    fn silence(&self, port: u16) -> bool {
        self.silent.lock().unwrap().get(&port).is_some_and(|silence| silence.send(true).is_ok())
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, silent: watch::Receiver<bool>) {
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        if !*silent.borrow() && to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}
