//! Who is believed to be in a room, by clients and by nodes, against who is; and sign-ins that ended.

use std::collections::BTreeSet;

use super::{Breach, Line, Rule, Steady, Story, here_since, in_time, last, lines, rooms_of};
use crate::harness::record::{Event, List, Recording};

pub(super) fn judge(story: &Story, found: &mut Vec<Breach>) {
    for recording in &story.recordings {
        for room in rooms_of(recording) {
            believes_what_is(story, recording, room, found);
        }
        ends_with_its_sign_in(story, recording, found);
        for steady in &story.steady {
            leaves_alone(story, recording, steady, found);
        }
    }
    nodes_say_what_is(story, found);
}

/// What a socket has been told about a room so far.
struct Belief {
    users: BTreeSet<String>,
    /// Everybody is named, so that a name's absence says something.
    whole: bool,
    version: Option<u64>,
    /// The last whole list, and the last word.
    list: usize,
    word: usize,
}

impl Belief {
    fn of(list: &List, at: usize) -> Self {
        Self {
            users: list.users.iter().cloned().collect(),
            whole: list.is_whole(),
            version: list.version,
            list: at,
            word: at,
        }
    }
}

/// What a client believes about a room at the end of its recording, if it is there; as a list.
pub(super) fn believed(recording: &Recording, room: &str) -> Option<List> {
    let belief = fold(recording, room, &mut vec![])?;
    let users: Vec<String> = belief.users.into_iter().collect();
    Some(List {
        count: users.len() as u64 + u64::from(!belief.whole),
        users,
        version: belief.version,
    })
}

/// Folds what one client was told about one room, and judges each step.
fn fold(recording: &Recording, room: &str, found: &mut Vec<Breach>) -> Option<Belief> {
    let mut belief: Option<Belief> = None;
    for (at, entry) in recording.entries.iter().enumerate() {
        match &entry.event {
            Event::Connected { .. } | Event::Closed { .. } => belief = None,
            Event::Joined(joined) if joined.room == room => belief = Some(Belief::of(&joined.people, at)),
            Event::People { room: of, list } if of == room => belief = Some(Belief::of(list, at)),
            Event::Presence { room: of, joined, left, count, version } if of == room => {
                let told = Told { joined, left, count: *count, version: *version };
                if let Some((what, history)) = step(&mut belief, &told, at) {
                    let what = format!("{} in {room}: {what}", recording.client);
                    let history = lines(recording, history);
                    found.push(Breach { rule: Rule::Version, what, history });
                }
            }
            _ => {}
        }
    }
    belief
}

/// Judges each step of what one client was told about one room, and the belief at the end.
fn believes_what_is(story: &Story, recording: &Recording, room: &str, found: &mut Vec<Breach>) {
    let belief = fold(recording, room, found);
    let (Some(belief), Some(_)) = (belief, here_since(recording, room)) else {
        return;
    };
    let there = story.present(room);
    let told: BTreeSet<&str> = belief.users.iter().map(String::as_str).collect();
    let wrong = told.difference(&there).chain(there.difference(&told).filter(|_| belief.whole));
    for name in wrong {
        let ghost = told.contains(name);
        let side = if ghost { "is gone" } else { "is there" };
        let history = last_word(recording, room, name, ghost);
        let mut history = lines(recording, [history.unwrap_or(belief.list)]);
        history.extend(last_move(story, room, name));
        found.push(Breach {
            rule: Rule::People,
            what: format!(
                "{} believes that {room} has {:?}, and {name} {side}",
                recording.client, belief.users
            ),
            history: in_time(history),
        });
    }
}

/// A `presence` frame.
struct Told<'a> {
    joined: &'a [String],
    left: &'a [String],
    count: u64,
    version: u64,
}

/// Applies a change; answers what is wrong with it.
fn step(belief: &mut Option<Belief>, told: &Told<'_>, at: usize) -> Option<(String, Vec<usize>)> {
    let Some(belief) = belief else {
        return Some(("a change is told before any list".to_owned(), vec![at]));
    };
    let (before, expected) = (belief.word, belief.version.map(|version| version + 1));
    for name in told.left {
        belief.users.remove(name);
    }
    belief.users.extend(told.joined.iter().cloned());
    (belief.version, belief.word) = (Some(told.version), at);
    if expected != Some(told.version) {
        let what = format!("version {} is told where {expected:?} follows", told.version);
        return Some((what, vec![before, at]));
    }
    if belief.whole && told.count != belief.users.len() as u64 {
        let what = format!("{} people are told, and the changes make {:?}", told.count, belief.users);
        return Some((what, vec![belief.list, at]));
    }
    None
}

/// Where a client was last told that somebody is there (or, if not `there`, is not).
fn last_word(recording: &Recording, room: &str, name: &str, there: bool) -> Option<usize> {
    let has = |list: &[String]| list.iter().any(|user| user == name);
    last(recording, |event| match event {
        Event::Joined(joined) if joined.room == room => has(&joined.people.users) == there,
        Event::People { room: of, list } if of == room => has(&list.users) == there,
        Event::Presence { room: of, joined, left, .. } if of == room => {
            has(if there { joined } else { left })
        }
        _ => false,
    })
}

/// How somebody last came or went, by what they wrote down themselves.
fn last_move(story: &Story, room: &str, name: &str) -> Vec<Line> {
    let mut moves = Vec::new();
    for recording in story.recordings.iter().filter(|of| of.name == name) {
        let at = here_since(recording, room)
            .or_else(|| last(recording, |event| matches!(event, Event::Closed { .. })));
        moves.extend(lines(recording, at));
    }
    in_time(moves).pop().into_iter().collect()
}

fn nodes_say_what_is(story: &Story, found: &mut Vec<Breach>) {
    for list in &story.lists {
        let told: BTreeSet<&str> = list.users.iter().map(String::as_str).collect();
        let there = story.present(&list.room);
        if let Some(name) = told.symmetric_difference(&there).next() {
            found.push(Breach {
                rule: Rule::People,
                what: format!("{} says that {} has {told:?}; {there:?} are there", list.node, list.room),
                history: last_move(story, &list.room, name),
            });
        }
        if told.len() != list.users.len() {
            found.push(Breach {
                rule: Rule::People,
                what: format!("{} names somebody twice in {}: {:?}", list.node, list.room, list.users),
                history: vec![],
            });
        }
    }
}

/// Nobody is told in that time that one of these came or went, nor is given a list without them.
fn leaves_alone(story: &Story, recording: &Recording, steady: &Steady, found: &mut Vec<Breach>) {
    for (at, entry) in recording.entries.iter().enumerate() {
        if entry.at < steady.from || entry.at > steady.to {
            continue;
        }
        let named = |names: &[String], name: &String| names.contains(name);
        let flaps = |name: &&String| match &entry.event {
            Event::Presence { joined, left, .. } => named(joined, name) || named(left, name),
            Event::People { list, .. } => list.is_whole() && !named(&list.users, name),
            Event::Joined(joined) => joined.people.is_whole() && !named(&joined.people.users, name),
            Event::Announced { text } => {
                let said = text.split_whitespace().map(|word| word.trim_end_matches(','));
                let moved = text.contains(" joined the chat") || text.contains(" left the chat");
                moved && said.into_iter().any(|word| word == name.as_str())
            }
            _ => false,
        };
        if let Some(name) = steady.names.iter().find(flaps) {
            let mut history = lines(recording, [at]);
            let moved = story.recordings.iter().filter(|of| of.name == *name).filter_map(|of| {
                let gone = |event: &Event| matches!(event, Event::Closed { .. });
                let at = of.entries.iter().rposition(|own| own.at <= entry.at && gone(&own.event))?;
                lines(of, [at]).pop()
            });
            history.extend(moved.max_by_key(|line| line.entry.at));
            found.push(Breach {
                rule: Rule::Flapping,
                what: format!("{} is told of {name}, who stays", recording.client),
                history: in_time(history),
            });
        }
    }
}

/// After a sign-in has ended its socket closes in time, and none opens until there is a new one.
fn ends_with_its_sign_in(story: &Story, recording: &Recording, found: &mut Vec<Breach>) {
    let mut ended = None;
    let mut open = None;
    for (at, entry) in recording.entries.iter().enumerate() {
        if let Some((out, since)) = ended {
            let late = open.is_some() && entry.at > since + story.sign_out_limit;
            if late || matches!(entry.event, Event::Welcome) {
                found.push(Breach {
                    rule: Rule::SignedOut,
                    what: format!("{} has a socket without a sign-in", recording.client),
                    history: lines(recording, [out, at]),
                });
                return;
            }
        }
        match &entry.event {
            Event::SignedOut => ended = Some((at, entry.at)),
            Event::SignedIn => ended = None,
            Event::Closed { .. } => open = None,
            Event::Welcome => open = Some(at),
            _ => {}
        }
    }
    if let (Some((out, _)), Some(open)) = (ended, open) {
        found.push(Breach {
            rule: Rule::SignedOut,
            what: format!("the socket of {} outlives its sign-in", recording.client),
            history: lines(recording, [open, out]),
        });
    }
}
