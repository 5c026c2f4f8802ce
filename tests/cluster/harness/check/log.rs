//! The log by itself, and whether every acknowledgement stands in it.

use std::collections::HashMap;

use super::{Breach, Line, Rule, Story, in_time, lines};
use crate::harness::record::{Event, Recording, Said};

pub(super) fn judge(story: &Story, found: &mut Vec<Breach>) {
    for (room, log) in &story.logs {
        counts_without_a_gap(room, story.before(room), log, found);
        holds_no_id_twice(room, log, found);
    }
    for recording in &story.recordings {
        acks_stand(story, recording, found);
    }
}

fn counts_without_a_gap(room: &str, before: u64, log: &[Said], found: &mut Vec<Breach>) {
    let wrong = log.iter().zip(before + 1..).find(|(said, seq)| said.seq != *seq);
    if let Some((said, seq)) = wrong {
        found.push(Breach {
            rule: Rule::Log,
            what: format!("the log of {room} holds {said} where #{seq} belongs"),
            history: vec![],
        });
    }
}

fn holds_no_id_twice(room: &str, log: &[Said], found: &mut Vec<Breach>) {
    let mut seen = HashMap::new();
    for said in log {
        if let Some(first) = seen.insert((&said.who, &said.id), said) {
            found.push(Breach {
                rule: Rule::Log,
                what: format!("the log of {room} holds one id twice: {first}, and {said}"),
                history: vec![],
            });
        }
    }
}

fn acks_stand(story: &Story, recording: &Recording, found: &mut Vec<Breach>) {
    let mut sent = HashMap::new();
    for (at, entry) in recording.entries.iter().enumerate() {
        match &entry.event {
            Event::Sent { room, id, text } => {
                sent.insert((room, id), (at, text));
            }
            Event::Ack { room, id, seq, .. } => {
                let said = sent.get(&(room, id)).copied();
                if let Some(what) = objection(story, recording, (room, id, *seq), said.map(|(_, text)| text))
                {
                    let history = lines(recording, said.map(|(at, _)| at).into_iter().chain([at]));
                    found.push(Breach { rule: Rule::Acked, what, history });
                }
            }
            _ => {}
        }
    }
}

fn objection(
    story: &Story,
    recording: &Recording,
    (room, id, seq): (&str, &str, u64),
    text: Option<&String>,
) -> Option<String> {
    let Some(text) = text else {
        return Some(format!("{id} was acknowledged and never sent"));
    };
    let Some(held) = story.at(room, seq) else {
        return Some(format!(
            "{id} was acknowledged at #{seq}, where the log of {room} holds nothing"
        ));
    };
    let same = held.id == id && held.who == recording.name && held.text == *text;
    (!same).then(|| format!("{id} was acknowledged at #{seq}, where the log of {room} holds {held}"))
}

/// How a message came into the log, by its sender's recording: sent for the first time, and its
/// first acknowledgement.
pub(super) fn origin(story: &Story, room: &str, said: &Said) -> Vec<Line> {
    let mut history = Vec::new();
    for recording in story.recordings.iter().filter(|of| of.name == said.who) {
        let find =
            |fits: &dyn Fn(&Event) -> bool| recording.entries.iter().position(|entry| fits(&entry.event));
        let sent =
            find(&|event| matches!(event, Event::Sent { room: of, id, .. } if of == room && *id == said.id));
        let acked =
            find(&|event| matches!(event, Event::Ack { room: of, id, .. } if of == room && *id == said.id));
        history.extend(lines(recording, sent.into_iter().chain(acked)));
    }
    in_time(history)
}
