//! What is half done or half forgotten in Redis: every step finds out and goes on from there.

use chorus::{
    cluster::{BusError, Incarnation},
    shutdown::Tasks,
};

use crate::{
    fixture::{NodeEnds, any_room, set},
    redis::{Home, any_space, node},
    servers::redis::Redis,
};

/// Two nodes on a server that is theirs alone.
async fn two() -> (Redis, [NodeEnds; 2], String, Home) {
    let (server, space, tasks) = (Redis::start(), any_space(), Tasks::new());
    let nodes = [
        node(&server.url(), &space, &tasks).await,
        node(&server.url(), &space, &tasks).await,
    ];
    (server, nodes, space, Home(tasks))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_forgot_its_scripts_is_told_them_again() {
    let (server, [one, other], _, _home) = two().await;
    let (room, me) = (any_room(), Incarnation::random());
    for version in 1..=3 {
        let name = format!("user{version}");
        assert_eq!(one.change(me, room, &[&name], &[]).await.unwrap(), version);
        server.cli(&["SCRIPT", "FLUSH"]);
        assert_eq!(other.version(room).await, version);
        assert_eq!(other.presence.beat(me).await.unwrap(), [(me, version)]);
    }
    one.change(me, room, &["alice"], &[]).await.unwrap();
    let whole = server.calls()["eval"];
    one.change(me, room, &["bob"], &[]).await.unwrap();
    assert_eq!(server.calls()["eval"], whole, "the name is enough where it is known");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_written_after_the_memory_was_lost_is_still_found_by_who_reaps() {
    let (server, [one, other], _, _home) = two().await;
    let (room, me) = (any_room(), Incarnation::random());
    one.change(me, room, &["alice"], &[]).await.unwrap();
    one.change(me, room, &["bob"], &[]).await.unwrap();
    server.cli(&["FLUSHALL"]);
    assert!(other.sets(room).await.is_empty());
    assert_eq!(one.change(me, room, &["carol"], &[]).await.unwrap(), 1, "another era");
    assert_eq!(other.sets(room).await, [set(me, &["carol"])]);
    assert_eq!(other.presence.reap(me).await.unwrap(), [room]);
    assert!(one.sets(room).await.is_empty());
    assert!(matches!(
        one.change(me, room, &["dora"], &[]).await,
        Err(BusError::DeclaredDead)
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_was_reaped_by_another_does_not_write_by_what_it_remembers() {
    let (_server, [one, other], _, _home) = two().await;
    let (room, unseen, me) = (any_room(), any_room(), Incarnation::random());
    one.change(me, room, &["alice"], &[]).await.unwrap();
    assert_eq!(other.presence.reap(me).await.unwrap(), [room]);
    for room in [room, unseen] {
        let answer = one.change(me, room, &["bob"], &[]).await;
        assert!(matches!(answer, Err(BusError::DeclaredDead)), "{answer:?}");
        assert!(other.sets(room).await.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_reaper_left_half_done_another_finishes() {
    let (server, [one, other], space, _home) = two().await;
    let (rooms, me) = ([any_room(), any_room(), any_room()], Incarnation::random());
    for room in rooms {
        one.change(me, room, &["alice"], &[]).await.unwrap();
    }
    one.presence.beat(me).await.unwrap();
    // As far as a reaper comes that dies after its first steps: the marks are set, one room is done.
    server.cli(&["SET", &format!("{space}:{{i:{me}}}:dead"), "1"]);
    server.cli(&["HDEL", &format!("{space}:{{beats}}:counts"), &me.to_string()]);
    let done = format!("{space}:{{r:{}}}:", rooms[0].0);
    server.cli(&["SREM", &format!("{done}who"), &me.to_string()]);
    server.cli(&["DEL", &format!("{done}s:{me}")]);
    assert!(matches!(
        one.change(me, any_room(), &["bob"], &[]).await,
        Err(BusError::DeclaredDead)
    ));
    let mut changed = other.presence.reap(me).await.unwrap();
    changed.sort();
    let mut expected = [rooms[1], rooms[2]];
    expected.sort();
    assert_eq!(changed, expected);
    assert!(other.presence.reap(me).await.unwrap().is_empty());
    for room in rooms {
        assert!(other.sets(room).await.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_in_redis_of_many_who_came_and_went_is_little() {
    let (server, [one, other], space, _home) = two().await;
    let room = any_room();
    for _ in 0..50 {
        let me = Incarnation::random();
        one.change(me, room, &["alice"], &[]).await.unwrap();
        one.presence.beat(me).await.unwrap();
        other.presence.reap(me).await.unwrap();
    }
    assert_eq!(server.cli(&["HLEN", &format!("{space}:{{beats}}:counts")]), "0");
    let keys = server.cli(&["--scan"]);
    let lasting: Vec<&str> = keys.lines().filter(|key| server.cli(&["TTL", key]) == "-1").collect();
    // The room's version and its marks of the dead, and those of the beats.
    assert!(lasting.len() <= 3, "{lasting:?}");
}
