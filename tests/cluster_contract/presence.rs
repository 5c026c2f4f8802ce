//! The sets of who is connected where, and the versions by which a change is noticed.

use std::time::{Duration, Instant};

use chorus::cluster::{BusError, Incarnation};
use tokio::task::JoinSet;

use crate::fixture::{NodeEnds, any_room, eventually, set};

const fn declared_dead<T>(answer: &Result<T, BusError>) -> bool {
    matches!(answer, Err(BusError::DeclaredDead))
}

pub(crate) async fn a_change_raises_the_version_by_one(nodes: &[NodeEnds]) {
    let (room, other) = (any_room(), any_room());
    let (a, b) = (Incarnation::random(), Incarnation::random());
    let steps: [(usize, Incarnation, &[&str], &[&str]); 6] = [
        (0, a, &["alice"], &[]),
        (1, b, &["alice", "bob", "carol"], &[]),
        (1, b, &["dora"], &["bob"]),
        (0, a, &[], &["alice"]),
        (1, b, &[], &["alice", "carol", "dora"]),
        (0, a, &["alice"], &[]),
    ];
    for (expected, (node, who, joined, left)) in (1..).zip(steps) {
        assert_eq!(nodes[node].change(who, room, joined, left).await.unwrap(), expected);
        for node in nodes {
            assert_eq!(node.version(room).await, expected, "after change {expected}");
        }
    }
    assert_eq!(nodes[0].version(other).await, 0, "another room");
}

pub(crate) async fn what_changes_nothing_keeps_the_version(nodes: &[NodeEnds]) {
    let (room, me, other) = (any_room(), Incarnation::random(), Incarnation::random());
    assert_eq!(nodes[0].change(me, room, &[], &[]).await.unwrap(), 0);
    assert_eq!(nodes[0].change(me, room, &[], &["alice"]).await.unwrap(), 0);
    assert_eq!(nodes[0].change(me, room, &["alice"], &[]).await.unwrap(), 1);
    for (joined, left) in [
        (&["alice"][..], &[][..]),
        (&[], &["bob"]),
        (&["alice"], &["bob"]),
        (&[], &[]),
    ] {
        assert_eq!(nodes[0].change(me, room, joined, left).await.unwrap(), 0, "nothing changed");
    }
    assert_eq!(
        nodes[1].change(other, room, &[], &["alice"]).await.unwrap(),
        0,
        "not in its own set"
    );
    assert_eq!(nodes[2].version(room).await, 1);
    assert_eq!(
        nodes[0].change(me, room, &["alice", "bob"], &[]).await.unwrap(),
        2,
        "one of them is new"
    );
}

pub(crate) async fn every_node_sees_who_is_connected_where(nodes: &[NodeEnds]) {
    let (room, other) = (any_room(), any_room());
    let (a, b) = (Incarnation::random(), Incarnation::random());
    nodes[0].change(a, room, &["alice", "bob"], &[]).await.unwrap();
    nodes[1].change(b, room, &["alice"], &[]).await.unwrap();
    nodes[1].change(b, other, &["carol"], &[]).await.unwrap();
    for node in nodes {
        let mut both = vec![set(a, &["alice", "bob"]), set(b, &["alice"])];
        both.sort();
        assert_eq!(node.sets(room).await, both);
        assert_eq!(node.sets(other).await, [set(b, &["carol"])]);
        assert!(node.sets(any_room()).await.is_empty());
    }
    nodes[0].change(a, room, &[], &["alice", "bob"]).await.unwrap();
    assert_eq!(nodes[2].sets(room).await, [set(b, &["alice"])]);
}

pub(crate) async fn versions_come_in_the_order_asked(nodes: &[NodeEnds]) {
    let (one, two, never, me) = (any_room(), any_room(), any_room(), Incarnation::random());
    nodes[0].change(me, one, &["alice"], &[]).await.unwrap();
    nodes[0].change(me, two, &["alice"], &[]).await.unwrap();
    nodes[0].change(me, two, &["bob"], &[]).await.unwrap();
    for node in nodes {
        let asked = [two, never, one, two];
        assert_eq!(node.numbers(&asked).await, [2, 0, 1, 2]);
        assert!(node.numbers(&[]).await.is_empty());
    }
}

pub(crate) async fn of_racing_changes_each_has_its_own_version(nodes: &[NodeEnds]) {
    let room = any_room();
    let mut racing = JoinSet::new();
    for node in nodes {
        let node = node.clone();
        racing.spawn(async move {
            let me = Incarnation::random();
            let mut versions = Vec::new();
            for n in 0..100 {
                let name = [&*format!("user{n}")];
                versions.push(node.change(me, room, &name, &[]).await.unwrap());
            }
            assert!(versions.is_sorted(), "its own changes stand in their order");
            versions
        });
    }
    let mut versions = racing.join_all().await.concat();
    versions.sort_unstable();
    assert!(versions.into_iter().eq(1..=300), "each number once");
}

pub(crate) async fn beats_rise_and_everybody_sees_them(nodes: &[NodeEnds]) {
    let (a, b) = (Incarnation::random(), Incarnation::random());
    let mut last = 0;
    for _ in 0..5 {
        let beats = nodes[0].presence.beat(a).await.unwrap();
        let (_, beat) = *beats.iter().find(|(who, _)| *who == a).expect("its own");
        assert!(beat > last, "{beat} after {last}");
        last = beat;
        let beats = nodes[1].presence.beat(b).await.unwrap();
        assert!(beats.contains(&(a, beat)), "another node sees it");
        assert_eq!(beats.len(), 2);
    }
}

pub(crate) async fn the_reaped_leave_every_room(nodes: &[NodeEnds]) {
    let (one, two, left, never) = (any_room(), any_room(), any_room(), any_room());
    let (dead, alive) = (Incarnation::random(), Incarnation::random());
    for room in [one, two, left] {
        nodes[0].change(dead, room, &["alice", "bob"], &[]).await.unwrap();
    }
    nodes[0].change(dead, left, &[], &["alice", "bob"]).await.unwrap();
    nodes[1].change(alive, one, &["alice"], &[]).await.unwrap();
    nodes[1].change(alive, never, &["alice"], &[]).await.unwrap();
    nodes[0].presence.beat(dead).await.unwrap();

    let mut changed = nodes[2].presence.reap(dead).await.unwrap();
    changed.sort();
    let mut expected = [one, two];
    expected.sort();
    assert_eq!(changed, expected, "the rooms where somebody was");
    for node in nodes {
        assert_eq!(node.sets(one).await, [set(alive, &["alice"])]);
        assert!(node.sets(two).await.is_empty());
        let versions = node.numbers(&[one, two, left, never]).await;
        assert_eq!(versions, [3, 2, 2, 1]);
    }
    let beats = nodes[1].presence.beat(alive).await.unwrap();
    assert!(beats.iter().all(|(who, _)| *who == alive), "it beats no more");
}

pub(crate) async fn the_reaped_can_not_come_back(nodes: &[NodeEnds]) {
    let (room, silent, me) = (any_room(), Incarnation::random(), Incarnation::random());
    nodes[0].change(me, room, &["alice"], &[]).await.unwrap();
    nodes[1].presence.reap(me).await.unwrap();
    assert!(nodes[1].presence.reap(silent).await.unwrap().is_empty(), "it had no sets");
    for dead in [me, silent] {
        assert!(declared_dead(&nodes[0].change(dead, room, &["alice"], &[]).await));
        assert!(declared_dead(&nodes[0].presence.beat(dead).await));
    }
    assert!(nodes[2].sets(room).await.is_empty(), "nothing was changed");
    assert_eq!(nodes[2].version(room).await, 2);
    let reborn = Incarnation::random();
    assert_eq!(nodes[0].change(reborn, room, &["alice"], &[]).await.unwrap(), 3);
    nodes[0].presence.beat(reborn).await.unwrap();
}

pub(crate) async fn one_that_was_reaped_is_reaped_once(nodes: &[NodeEnds]) {
    let (room, dead) = (any_room(), Incarnation::random());
    nodes[0].change(dead, room, &["alice"], &[]).await.unwrap();
    let mut racing = JoinSet::new();
    for node in nodes {
        let node = node.clone();
        racing.spawn(async move { node.presence.reap(dead).await.unwrap() });
    }
    racing.join_all().await;
    assert!(nodes[0].presence.reap(dead).await.unwrap().is_empty());
    assert_eq!(nodes[1].version(room).await, 2, "one change, however many reaped");
}

pub(crate) async fn the_withdrawn_stay_for_the_grace_time_and_no_longer(nodes: &[NodeEnds]) {
    let (room, other) = (any_room(), any_room());
    let (going, staying) = (Incarnation::random(), Incarnation::random());
    nodes[0].change(going, room, &["alice"], &[]).await.unwrap();
    nodes[0].change(going, other, &["alice"], &[]).await.unwrap();
    nodes[1].change(staying, room, &["bob"], &[]).await.unwrap();
    let grace = Duration::from_secs(2);
    let began = Instant::now();
    nodes[0].presence.withdraw(going, grace).await.unwrap();
    loop {
        let sets = nodes[1].sets(room).await;
        let versions = nodes[2].numbers(&[room, other]).await;
        if began.elapsed() >= grace {
            break;
        }
        assert_eq!(sets.len(), 2, "still there");
        assert_eq!(versions, [2, 1]);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    eventually("it is gone", async || nodes[1].sets(room).await == [set(staying, &["bob"])]).await;
    eventually("everywhere", async || nodes[2].sets(other).await.is_empty()).await;
    assert_eq!(nodes[2].numbers(&[room, other]).await, [3, 2]);

    // Without grace, and noticed by who only asks for versions.
    nodes[1].presence.withdraw(staying, Duration::ZERO).await.unwrap();
    eventually("it is gone", async || nodes[0].numbers(&[room]).await == [4]).await;
    assert!(nodes[0].sets(room).await.is_empty());
}

pub(crate) async fn people_are_counted_once_and_without_the_dead(nodes: &[NodeEnds]) {
    let (a, b) = (Incarnation::random(), Incarnation::random());
    let (room, empty, other) = (any_room(), any_room(), any_room());
    nodes[0].change(a, room, &["alice", "bob"], &[]).await.unwrap();
    nodes[1].change(b, room, &["bob", "carol"], &[]).await.unwrap();
    nodes[1].change(b, other, &["dave"], &[]).await.unwrap();
    let count =
        async |dead: &[Incarnation]| nodes[2].presence.counts(&[other, room, empty], dead).await.unwrap();
    assert_eq!(count(&[]).await, [1, 3, 0]);
    assert_eq!(count(&[b]).await, [0, 2, 0]);
    assert_eq!(count(&[a, b]).await, [0, 0, 0]);
    assert!(nodes[2].presence.counts(&[], &[]).await.unwrap().is_empty());
}
