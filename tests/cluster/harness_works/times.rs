//! Times from made-up recordings: what is counted, from when, and what a percentile is.

use std::time::Duration;

use crate::harness::{
    record::{Entry, Event, Recording, Said},
    times::{Times, acks, deliveries, refusals},
};

const fn ms(time: u64) -> Duration {
    Duration::from_millis(time)
}

fn recording(name: &str, events: Vec<(u64, Event)>) -> Recording {
    let entries = events.into_iter().map(|(at, event)| Entry { at: ms(at), event }).collect();
    Recording { name: name.to_owned(), client: name.to_owned(), entries }
}

fn sent(id: &str) -> Event {
    Event::Sent {
        room: "lobby".to_owned(),
        id: id.to_owned(),
        text: String::new(),
    }
}

fn ack(id: &str) -> Event {
    Event::Ack {
        room: "lobby".to_owned(),
        id: id.to_owned(),
        seq: 1,
        duplicate: false,
    }
}

fn error(id: &str) -> Event {
    Event::Error { code: "unavailable".to_owned(), id: id.to_owned() }
}

fn shown(who: &str, id: &str) -> Event {
    let said = Said {
        seq: 1,
        id: id.to_owned(),
        who: who.to_owned(),
        text: String::new(),
    };
    Event::Message { room: "lobby".to_owned(), said }
}

/// Alice says three things: one at once, one that is refused first, one that nobody answers.
fn story() -> Vec<Recording> {
    let alice = vec![
        (10, sent("a-0")),
        (15, ack("a-0")),
        (20, sent("a-1")),
        (50, error("a-1")),
        (60, sent("a-1")),
        (70, ack("a-1")),
        (71, shown("alice", "a-1")),
        (100, sent("a-2")),
    ];
    let bob = vec![(17, shown("alice", "a-0")), (75, shown("alice", "a-1"))];
    vec![recording("alice", alice), recording("bob", bob)]
}

#[test]
fn what_was_said_again_counts_from_its_first_time() {
    let of = |times: [u64; 2]| Times::of(times.map(ms));
    assert_eq!(acks(&story(), &(ms(0)..ms(100))), of([5, 50]));
    assert_eq!(deliveries(&story(), &(ms(0)..ms(100))), of([7, 55]));
    assert_eq!(acks(&story(), &(ms(15)..ms(100))), Times::of([ms(50)]));
    // The second time is not the first.
    assert_eq!(acks(&story(), &(ms(30)..ms(100))).count(), 0);
}

#[test]
fn what_is_refused_counts_each_time() {
    assert_eq!(refusals(&story(), &(ms(0)..ms(100))), Times::of([ms(30)]));
}

#[test]
fn no_answer_takes_for_ever_and_so_does_the_longest_of_nothing() {
    assert_eq!(acks(&story(), &(ms(0)..ms(200))).longest(), Duration::MAX);
    assert_eq!(Times::of([]).percentile(99), Duration::MAX);
}

#[test]
fn a_percentile_is_a_time_that_was() {
    let times = Times::of((1..=200).rev().map(ms));
    assert_eq!(
        [1, 50, 99, 100].map(|percent| times.percentile(percent)),
        [2, 100, 198, 200].map(ms)
    );
}
