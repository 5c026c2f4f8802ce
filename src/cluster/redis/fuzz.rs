//! What fuzzing puts on the bus.

use serde_json::Value;

use super::envelope::{BODY_MAX, LARGEST, NAME_MAX, prefix, read, write};
use crate::{
    cluster::{Committed, Envelope, Notice},
    domain::{ClientId, MessageBody, Username},
};

/// Who writes.
const NODE: &str = "0f";
/// How many times as large an envelope is at most when it is written anew: ids of traces get all their digits.
const GROWTH: usize = 8;

/// What is read as an envelope is of this version and within bounds, and is the same when it is written and
/// read again.
pub fn envelope(bytes: &[u8]) -> bool {
    let Some(first) = read(bytes) else { return false };
    is_within_bounds(&first);
    // (serde takes a list for a struct as well; its values are judged like those of an object.)
    if let Ok(other @ Value::Object(_)) = serde_json::from_slice(bytes) {
        assert_eq!(other["v"], 1);
    }
    let written = write(NODE, &first);
    assert!(written.is_some() || bytes.len() > LARGEST / GROWTH);
    let Some(text) = written else { return true };
    assert!(text.starts_with(&prefix(NODE)), "a node knows its own bell by that: {text}");
    let second = read(text.as_bytes()).map(|envelope| format!("{envelope:?}"));
    assert_eq!(second, Some(format!("{first:?}")));
    true
}

fn is_within_bounds(Envelope { notice, .. }: &Envelope) {
    match notice {
        Notice::Committed(Committed { room, events, .. }) => {
            for event in events {
                assert_eq!(event.room, *room);
                assert!(ClientId::parse(event.id.as_str()).is_ok());
                assert_eq!(MessageBody::parse(event.body.as_str(), BODY_MAX).as_ref(), Ok(&event.body));
                is_a_name(&event.username);
            }
        }
        Notice::Presence(_, change) => change.joined.iter().chain(&change.left).for_each(is_a_name),
        Notice::Typing(_, name) => is_a_name(name),
        Notice::SignInEnded(_) => {}
        Notice::Asked(question) => assert!(question.what.is_sound()),
        Notice::Answered(reply) => assert!(reply.what.is_sound()),
    }
}

fn is_a_name(name: &Username) {
    let text = name.as_str();
    assert!(
        (1..=NAME_MAX).contains(&text.len()) && !text.chars().any(char::is_control),
        "{text:?}"
    );
}
