//! The doorbell. On a healthy cluster everything rung is heard; that it may be lost, doubled or
//! late is nothing a test of a backend can ask for.

use std::sync::Arc;

use chorus::{
    cluster::{Committed, Heard, Notice, SetChange, SetsVersion, TraceParent},
    domain::{ClientId, Event, MessageBody, Seq, Timestamp, UserId},
};

use crate::fixture::{Ears, NodeEnds, any_room, bell, names, typing};

/// More than any queue may hold.
const FLOOD: usize = 20_000;

pub(crate) async fn a_notice_reaches_the_nodes_that_subscribed(nodes: &[NodeEnds]) {
    let room = any_room();
    let event = Event {
        room,
        seq: Seq(7),
        id: ClientId::parse("a1").unwrap(),
        sender: UserId(3),
        username: names(&["alice"]).remove(0),
        body: MessageBody::from_store("grüezi <b> \u{1f600}\n\"quoted\""),
        timestamp: Timestamp(1_700_000_000_123),
    };
    let next = Event { seq: Seq(8), ..event.clone() };
    let change = SetChange {
        version: SetsVersion { era: u64::MAX, number: u64::MAX },
        joined: names(&["alice", "bob"]),
        left: names(&["carol"]),
    };
    let mut ears = [Ears::of(&nodes[1]), Ears::of(&nodes[2])];
    for node in &nodes[1..] {
        node.subscribe(room).await;
    }
    for notice in [
        Notice::Committed(Committed {
            room,
            events: vec![Arc::new(event), Arc::new(next)],
            traces: vec![(Seq(7), TraceParent { trace: 1 << 127, span: 3 })],
        }),
        Notice::Presence(room, change),
        typing(room),
    ] {
        let told = nodes[0].ring(notice).await;
        for ear in &mut ears {
            ear.until(&told).await;
        }
    }
}

pub(crate) async fn a_node_hears_of_no_room_it_did_not_ask_for(nodes: &[NodeEnds]) {
    let (mine, other) = (any_room(), any_room());
    let mut ears = Ears::of(&nodes[1]);
    nodes[1].subscribe(mine).await;
    nodes[2].subscribe(other).await;
    for _ in 0..50 {
        nodes[0].ring(typing(other)).await;
    }
    let told = nodes[0].ring(typing(mine)).await;
    let last = nodes[0].ring(bell()).await;
    let said = ears.until(&last).await;
    assert!(said.iter().all(|said| *said == told || *said == last), "{said:?}");
}

pub(crate) async fn a_notice_without_a_room_reaches_every_other_node(nodes: &[NodeEnds]) {
    let mut ears = [Ears::of(&nodes[1]), Ears::of(&nodes[2])];
    nodes[1].subscribe(any_room()).await;
    let told = nodes[0].ring(bell()).await;
    for ear in &mut ears {
        ear.until(&told).await;
    }
}

pub(crate) async fn leaving_one_room_leaves_no_other_and_one_may_return(nodes: &[NodeEnds]) {
    let (left, kept) = (any_room(), any_room());
    let mut ears = Ears::of(&nodes[1]);
    nodes[1].subscribe(left).await;
    nodes[1].subscribe(kept).await;
    nodes[1].bus.unsubscribe(left).await;
    let told = nodes[0].ring(typing(kept)).await;
    ears.until(&told).await;
    nodes[1].subscribe(left).await;
    let told = nodes[0].ring(typing(left)).await;
    ears.until(&told).await;
    // Of a room that it never heard of: nothing happens.
    nodes[1].bus.unsubscribe(any_room()).await;
}

pub(crate) async fn a_node_is_listened_to_once(nodes: &[NodeEnds]) {
    for node in nodes {
        let first = node.bus.listen();
        assert!(first.is_some());
        assert!(node.bus.listen().is_none());
        drop(first);
        assert!(node.bus.listen().is_none(), "not even when the first is gone");
    }
}

pub(crate) async fn a_node_that_fell_behind_is_told_and_hears_on(nodes: &[NodeEnds]) {
    let room = any_room();
    let mut ears = Ears::of(&nodes[1]);
    nodes[1].subscribe(room).await;
    for _ in 0..2 {
        for _ in 0..FLOOD {
            nodes[0].ring(typing(room)).await;
        }
        let mut before = 0;
        while let Heard::Said(_) = ears.next().await {
            before += 1;
        }
        assert!(before < FLOOD, "{before} waited: the queue has no bound");
        // What was kept may still be there; then it hears as before.
        while ears.0.try_recv().is_ok() {}
        let told = nodes[0].ring(typing(room)).await;
        ears.until(&told).await;
    }
}
