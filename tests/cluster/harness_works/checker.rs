//! The checker lets every correct history pass, finds every kind of fault, and shows it by few lines.

use std::time::Duration;

use proptest::prelude::*;

use super::{
    faults::FAULTS,
    histories::{Move, ROOM, moves, story, two_parts},
};
use crate::harness::{
    check::{Rule, Story, check, remains},
    record::{Entry, Event, Joined, List, Recording, Said},
};

/// More lines than this no breach of these small stories needs: a resume in pages is the longest.
const MOST_LINES: usize = 8;
/// What may remain of a recording that was judged.
const MOST_REMAINS: usize = 6;

/// Every fault that has a place in this story is found in it.
fn faults_are_found(whole: &Story, pick: usize) -> Result<(), TestCaseError> {
    for (name, inject, rules) in FAULTS {
        let mut story = whole.clone();
        if inject(&mut story, pick).is_none() {
            continue;
        }
        match check(&story) {
            Ok(_) => return Err(TestCaseError::fail(format!("not found: {name}"))),
            Err(breach) => {
                prop_assert!(rules.contains(&breach.rule), "{name} is found as {breach}");
                prop_assert!(breach.history.len() <= MOST_LINES, "{name} takes long to show: {breach}");
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn correct_histories_pass(moves in moves()) {
        let story = story(&moves);
        if let Err(breach) = check(&story) {
            return Err(TestCaseError::fail(breach.to_string()));
        }
    }

    #[test]
    fn every_fault_is_found_wherever_it_is(moves in moves(), pick in 0_usize..1_000) {
        faults_are_found(&story(&moves), pick)?;
    }

    #[test]
    fn a_story_whose_first_part_was_forgotten_is_judged_as_well(
        first in moves(), second in moves(), pick in 0_usize..1_000,
    ) {
        let (judged, rest) = two_parts(&first, &second);
        for (part, story) in [("first", &judged), ("second", &rest)] {
            if let Err(breach) = check(story) {
                return Err(TestCaseError::fail(format!("{part} part: {breach}")));
            }
        }
        for recording in &judged.recordings {
            prop_assert!(remains(recording).len() <= MOST_REMAINS, "{:?}", remains(recording));
        }
        faults_are_found(&rest, pick)?;
    }
}

/// A story in which everything happens.
fn eventful() -> Vec<Move> {
    let mut moves = vec![Move::Come(1), Move::Come(2)];
    for round in 0..6 {
        moves.extend([
            Move::Say(0),
            Move::Say(1),
            Move::Hear(0),
            Move::Hear(1),
            Move::Ack(0),
            Move::Hear(2),
        ]);
        moves.extend([
            Move::Hear(0),
            Move::Lose(1),
            Move::Say(0),
            Move::Ack(0),
            Move::Hear(0),
        ]);
        moves.extend([Move::Come(1), Move::Say(2), Move::Hear(1), Move::Hear(2)]);
        if round % 2 == 0 {
            moves.extend([Move::SignOut(2), Move::Come(2)]);
        }
    }
    moves
}

#[test]
fn an_eventful_story_has_a_place_for_every_fault() {
    let judged = check(&story(&eventful())).unwrap_or_else(|breach| panic!("{breach}"));
    assert!(
        judged.acks > 10 && judged.deliveries > 40 && judged.presences > 10,
        "{judged:?}"
    );
    for (name, inject, _) in FAULTS {
        let mut story = story(&eventful());
        assert!(inject(&mut story, 3).is_some(), "{name} is never played");
        assert!(check(&story).is_err(), "{name} is not found");
    }
}

fn said(seq: u64) -> Said {
    Said {
        seq,
        id: format!("alice-{seq}"),
        who: "alice".to_owned(),
        text: format!("alice says {seq}"),
    }
}

fn message(seq: u64) -> Event {
    Event::Message { room: ROOM.to_owned(), said: said(seq) }
}

fn joined(seq: u64, recovered: bool, messages: &[u64]) -> Event {
    Event::Joined(Joined {
        room: ROOM.to_owned(),
        seq,
        recovered,
        reason: if recovered { String::new() } else { "fresh".to_owned() },
        messages: messages.iter().map(|seq| said(*seq)).collect(),
        people: List { users: vec!["bob".to_owned()], count: 1, version: Some(1) },
        more: false,
    })
}

/// What bob alone wrote down, one event each 10 ms, with a log of so many messages.
fn bob(events: Vec<Event>, logged: u64) -> Story {
    let at = (0..).map(|step| Duration::from_millis(10 * step));
    let entries = at.zip(events).map(|(at, event)| Entry { at, event }).collect();
    let (name, client) = ("bob".to_owned(), "bob".to_owned());
    Story {
        recordings: vec![Recording { name, client, entries }],
        logs: [(ROOM.to_owned(), (1..=logged).map(said).collect())].into(),
        ..Story::default()
    }
}

#[test]
fn a_breach_is_the_shortest_history_that_shows_it() {
    let closed = Event::Closed { code: None, why: "lost".to_owned() };
    let story = bob(
        vec![
            joined(0, false, &[]),
            message(1),
            message(2),
            message(3),
            closed,
            joined(4, true, &[3, 4]),
            message(5),
        ],
        5,
    );
    let breach = check(&story).unwrap_err();
    assert_eq!(breach.rule, Rule::Twice);
    let expected = "Twice is broken: bob in lobby: it is shown twice #3 alice-3 of alice: \"alice says 3\"\n      \
                    0.030 s  bob          message in lobby #3 alice-3 of alice: \"alice says 3\"\n      \
                    0.050 s  bob          joined lobby at 4, recovered, messages 3 to 4, people [\"bob\"] version 1\n";
    assert_eq!(breach.to_string(), expected);
}

#[test]
fn who_is_there_at_the_end_must_have_seen_it_and_who_has_left_need_not() {
    let seen = || vec![joined(0, false, &[]), message(1)];
    assert!(check(&bob(seen(), 1)).is_ok());
    let breach = check(&bob(seen(), 2)).unwrap_err();
    assert_eq!((breach.rule, breach.history.len()), (Rule::Missed, 2), "{breach}");
    let mut left = seen();
    left.push(Event::Closed { code: Some(1001), why: String::new() });
    assert!(check(&bob(left, 2)).is_ok());
}

#[test]
fn what_was_missed_since_the_rest_was_forgotten_is_found() {
    let connected = Event::Connected { node: "node1".to_owned() };
    let judged = bob(vec![connected, joined(0, false, &[]), message(1), message(2)], 2);
    assert!(check(&judged).is_ok());
    let rest = |events: &[Event]| {
        let mut story = bob(vec![], 4);
        story.logs.get_mut(ROOM).unwrap().remove(0);
        story.before = [(ROOM.to_owned(), 1)].into();
        let told = events.iter().map(|event| Entry { at: Duration::from_secs(1), event: event.clone() });
        story.recordings[0].entries = remains(&judged.recordings[0]).into_iter().chain(told).collect();
        check(&story)
    };
    assert!(rest(&[message(3), message(4)]).is_ok());
    assert_eq!(rest(&[message(4)]).unwrap_err().rule, Rule::Order);
    assert_eq!(rest(&[message(2), message(3), message(4)]).unwrap_err().rule, Rule::Order);
    assert_eq!(rest(&[message(3)]).unwrap_err().rule, Rule::Missed);
}

#[test]
fn a_hole_is_a_breach_unless_the_test_makes_it() {
    let Event::Joined(mut anew) = joined(3, false, &[2, 3]) else { unreachable!() };
    "too_far".clone_into(&mut anew.reason);
    let mut story = bob(vec![joined(0, false, &[]), message(1), Event::Joined(anew)], 3);
    assert_eq!(check(&story).unwrap_err().rule, Rule::Hole);
    story.holes.push("too_far".to_owned());
    assert!(check(&story).is_ok());
}
