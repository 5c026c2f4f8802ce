//! What only the cluster inside one process promises: faults as told, and nodes that are cut off.

use std::{sync::Arc, time::Duration};

use chorus::{
    cluster::{
        Bus, BusError, Envelope, Heard, Incarnation, Presence,
        local::{Faults, LocalCluster, LocalNode},
    },
    domain::{RoomId, Username},
    shutdown::Tasks,
};
use tokio::time::Instant;

use crate::fixture::{Ears, LIMIT, NodeEnds, Opened, any_room, bell, names, set, typing};

/// Nodes of a fresh cluster for the contract.
#[expect(clippy::unused_async, reason = "backends on a network wait here")]
pub(crate) async fn fresh(nodes: usize) -> Opened {
    let cluster = LocalCluster::new();
    let nodes = (0..nodes).map(|_| ends(&cluster.node())).collect();
    Opened { nodes, _home: Box::new(cluster) }
}

fn ends(node: &Arc<LocalNode>) -> NodeEnds {
    NodeEnds {
        bus: node.clone(),
        presence: node.clone(),
        peers: node.clone(),
    }
}

/// The numbers of those of `count` notices that were heard, in the order and at the time they
/// were. On paused time.
async fn heard(faults: Faults, count: u64) -> Vec<(u64, Duration)> {
    let tasks = Tasks::new();
    let cluster = LocalCluster::with_faults(tasks.clone(), faults);
    let (speaker, listener) = (cluster.node(), cluster.node());
    let mut ears = Ears::of(&ends(&listener));
    let (room, began) = (any_room(), Instant::now());
    listener.subscribe(room).await.unwrap();
    for number in 0..count {
        let notice = typing(room);
        let from = Incarnation(uuid::Uuid::from_u128(number.into()));
        speaker.publish(Envelope { from, notice }).await.unwrap();
    }
    let mut heard = Vec::new();
    let arrived = tasks.join(LIMIT);
    tokio::pin!(arrived);
    loop {
        let said = tokio::select! {
            biased;
            said = ears.0.recv() => said.unwrap(),
            all = &mut arrived => {
                assert!(all);
                break;
            }
        };
        let Heard::Said(envelope) = said else { panic!("nothing was interrupted") };
        heard.push((u64::try_from(envelope.from.0.as_u128()).unwrap(), began.elapsed()));
    }
    heard
}

fn numbers(heard: &[(u64, Duration)]) -> Vec<u64> {
    heard.iter().map(|(number, _)| *number).collect()
}

#[tokio::test(start_paused = true)]
async fn without_faults_everything_arrives_once_and_in_order() {
    let told = heard(Faults::default(), 500).await;
    assert!(numbers(&told).into_iter().eq(0..500));
    assert!(told.iter().all(|(_, at)| *at < Duration::from_millis(10)));
}

#[tokio::test(start_paused = true)]
async fn notices_are_lost_as_told() {
    assert!(heard(Faults { lost: 100, ..Faults::default() }, 200).await.is_empty());
    let some = numbers(&heard(Faults { lost: 30, seed: 1, ..Faults::default() }, 1000).await);
    assert!((600..800).contains(&some.len()), "{}", some.len());
    assert!(some.is_sorted_by(|a, b| a < b), "none twice");
}

#[tokio::test(start_paused = true)]
async fn notices_are_doubled_as_told() {
    let twice = numbers(&heard(Faults { doubled: 100, ..Faults::default() }, 200).await);
    assert!(twice.into_iter().eq((0..200).flat_map(|number| [number, number])));
    let some = numbers(&heard(Faults { doubled: 30, seed: 1, ..Faults::default() }, 1000).await);
    assert!((1200..1400).contains(&some.len()), "{}", some.len());
}

#[tokio::test(start_paused = true)]
async fn notices_are_late_as_told_and_so_out_of_order() {
    let delay = Duration::from_secs(10);
    let mut told = heard(Faults { late: 100, delay, seed: 1, ..Faults::default() }, 200).await;
    assert!(told.iter().all(|(_, at)| *at <= delay + Duration::from_millis(10)));
    assert!(told.iter().any(|(_, at)| *at > delay / 2), "late indeed");
    assert!(!numbers(&told).is_sorted());
    told.sort();
    assert!(numbers(&told).into_iter().eq(0..200), "and all of them");
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_has_the_same_faults() {
    let delay = Duration::from_secs(1);
    let faults = |seed| Faults { lost: 20, doubled: 20, late: 20, delay, seed };
    let first = numbers(&heard(faults(7), 500).await);
    assert_eq!(first, numbers(&heard(faults(7), 500).await));
    assert_ne!(first, numbers(&heard(faults(8), 500).await));
}

const fn unreachable<T>(answer: &Result<T, BusError>) -> bool {
    matches!(answer, Err(BusError::Unreachable(_)))
}

#[tokio::test]
async fn a_node_cut_off_reaches_nothing_and_changes_nothing() {
    let cluster = LocalCluster::new();
    let (cut, other) = (cluster.node(), cluster.node());
    let (room, me, mut ears) = (any_room(), Incarnation::random(), Ears::of(&ends(&other)));
    let (alice, bob): (Vec<Username>, Vec<Username>) = (names(&["alice"]), names(&["bob"]));
    cut.change(me, room, &alice, &[]).await.unwrap();
    cut.cut(true);
    let envelope = Envelope { from: me, notice: bell() };
    assert!(unreachable(&cut.publish(envelope).await));
    assert!(unreachable(&cut.subscribe(room).await));
    assert!(unreachable(&cut.change(me, room, &bob, &alice).await));
    assert!(unreachable(&cut.sets(room).await));
    assert!(unreachable(&cut.versions(&[room]).await));
    assert!(unreachable(&cut.beat(me).await));
    assert!(unreachable(&cut.reap(me).await));
    assert!(unreachable(&cut.withdraw(me, Duration::ZERO).await));
    let other = ends(&other);
    assert_eq!(other.sets(room).await, [set(me, &["alice"])], "as it was, also for the others");
    assert_eq!(other.version(room).await, 1);
    assert!(ears.0.try_recv().is_err(), "nothing was heard of it");
}

#[tokio::test]
async fn a_healed_node_hears_that_it_was_interrupted_and_then_its_rooms() {
    let cluster = LocalCluster::new();
    let (wire, other) = (cluster.node(), ends(&cluster.node()));
    let (node, room): (NodeEnds, RoomId) = (ends(&wire), any_room());
    let mut ears = Ears::of(&node);
    node.subscribe(room).await;
    wire.cut(true);
    other.ring(typing(room)).await;
    other.ring(bell()).await;
    wire.cut(false);
    assert!(
        matches!(ears.next().await, Heard::Interrupted),
        "what was said meanwhile is lost"
    );
    let told = other.ring(typing(room)).await;
    assert_eq!(ears.until(&told).await, [told]);
    assert!(node.presence.beat(Incarnation::random()).await.is_ok());
}

#[tokio::test]
async fn one_slow_node_costs_the_others_nothing() {
    let opened = fresh(3).await;
    let [speaker, slow, quick] = &opened.nodes[..] else { panic!("three") };
    let (_slow, mut quick) = (Ears::of(slow), Ears::of(quick));
    for _ in 0..10_000 {
        let told = speaker.ring(bell()).await;
        assert_eq!(quick.until(&told).await, [told]);
    }
    assert!(quick.0.try_recv().is_err(), "no interruption either");
}
