//! Each kind of wrong, put into a correct story. A fault answers nothing where the story has no
//! place for it.

use std::time::Duration;

use super::histories::ROOM;
use crate::harness::{
    check::{Rule, Story},
    record::{Entry, Event, Recording},
};

/// What is done to a story; `pick` chooses among the places.
type Inject = fn(&mut Story, usize) -> Option<()>;

/// Its name, what it does, and by which rules it may be found.
pub(crate) const FAULTS: &[(&str, Inject, &[Rule])] = &[
    ("a message is not shown", drop_one, &[Rule::Order, Rule::Missed]),
    ("two messages are swapped", swap_two, &[Rule::Order]),
    ("a message is shown again", show_again, &[Rule::Twice]),
    (
        "a message has another number",
        renumber,
        &[Rule::Content, Rule::Twice, Rule::Order],
    ),
    ("a message has another text", other_text, &[Rule::Content]),
    ("what was acknowledged is not in the log", lose_acked, &[Rule::Acked]),
    ("an acknowledgement names another number", ack_elsewhere, &[Rule::Acked]),
    ("the log has a hole", log_hole, &[Rule::Log]),
    ("the log holds an id twice", log_twice, &[Rule::Log]),
    ("a ghost is in a client's list", ghost, &[Rule::People]),
    (
        "somebody is missing from a client's list",
        missing,
        &[Rule::People, Rule::Flapping],
    ),
    ("a ghost is in a node's list", node_ghost, &[Rule::People]),
    ("a version is skipped", skip_version, &[Rule::Version]),
    ("a history is not continued", hole, &[Rule::Hole]),
    ("somebody who stays flaps", flap, &[Rule::Flapping]),
    ("a socket opens without a sign-in", open_without, &[Rule::SignedOut]),
    ("a socket outlives its sign-in", outlive, &[Rule::SignedOut]),
    ("a page does not hear a line", page_misses, &[Rule::Order, Rule::Missed]),
    ("a page hears a line twice", page_twice, &[Rule::Twice]),
];

/// Somewhere in the recordings.
type Place = (usize, usize);

fn pick<T: Copy>(places: &[T], pick: usize) -> Option<T> {
    if places.is_empty() { None } else { Some(places[pick % places.len()]) }
}

/// All places where something is that fits.
fn places(story: &Story, fits: impl Fn(&Recording, usize) -> bool) -> Vec<Place> {
    let all = story.recordings.iter().enumerate();
    all.flat_map(|(of, recording)| (0..recording.entries.len()).map(move |at| (of, at)))
        .filter(|(of, at)| fits(&story.recordings[*of], *at))
        .collect()
}

fn event(recording: &Recording, at: usize) -> &Event {
    &recording.entries[at].event
}

fn is_message(recording: &Recording, at: usize) -> bool {
    matches!(event(recording, at), Event::Message { .. })
}

/// Whether a client is shown more later, or is there at the end: else nobody can tell.
fn goes_on(recording: &Recording, at: usize) -> bool {
    let later = &recording.entries[at + 1..];
    later.iter().any(|entry| matches!(entry.event, Event::Message { .. } | Event::Joined(_)))
        || !later.iter().any(|entry| matches!(entry.event, Event::Closed { .. }))
}

fn drop_one(story: &mut Story, nth: usize) -> Option<()> {
    let all = places(story, |of, at| is_message(of, at) && goes_on(of, at));
    let (of, at) = pick(&all, nth)?;
    story.recordings[of].entries.remove(at);
    Some(())
}

fn swap_two(story: &mut Story, nth: usize) -> Option<()> {
    let next = |of: &Recording, at: usize| {
        let moves = |at: &usize| is_message(of, *at) || matches!(event(of, *at), Event::Joined(_));
        (at + 1..of.entries.len()).find(moves).filter(|next| is_message(of, *next))
    };
    let all = places(story, |of, at| is_message(of, at) && next(of, at).is_some());
    let (of, at) = pick(&all, nth)?;
    let recording = &mut story.recordings[of];
    let other = next(recording, at)?;
    let (first, second) = (event(recording, at).clone(), event(recording, other).clone());
    (recording.entries[at].event, recording.entries[other].event) = (second, first);
    Some(())
}

fn show_again(story: &mut Story, nth: usize) -> Option<()> {
    let (of, at) = pick(&places(story, is_message), nth)?;
    let entries = &mut story.recordings[of].entries;
    // At any later time, but on a socket.
    let closed = |at: &usize| !matches!(entries[*at].event, Event::Closed { .. } | Event::SignedOut);
    let later: Vec<usize> = (at..entries.len()).take_while(closed).collect();
    let after = pick(&later, nth / 7)?;
    let again = Entry { at: entries[after].at, event: entries[at].event.clone() };
    entries.insert(after + 1, again);
    Some(())
}

fn change_message(
    story: &mut Story,
    nth: usize,
    change: impl Fn(&mut crate::harness::record::Said),
) -> Option<()> {
    let (of, at) = pick(&places(story, is_message), nth)?;
    if let Event::Message { said, .. } = &mut story.recordings[of].entries[at].event {
        change(said);
    }
    Some(())
}

fn renumber(story: &mut Story, nth: usize) -> Option<()> {
    change_message(story, nth, |said| said.seq += 1 + (nth as u64 % 3))
}

fn other_text(story: &mut Story, nth: usize) -> Option<()> {
    change_message(story, nth, |said| said.text.push('!'))
}

fn lose_acked(story: &mut Story, nth: usize) -> Option<()> {
    let all = places(story, |of, at| matches!(event(of, at), Event::Ack { .. }));
    let (of, at) = pick(&all, nth)?;
    let seq = story.logs[ROOM].len() as u64 + 1;
    let (room, id) = (ROOM.to_owned(), "lost-1".to_owned());
    let when = story.recordings[of].entries[at].at;
    let sent = Event::Sent { room: room.clone(), id: id.clone(), text: "lost".to_owned() };
    let ack = Event::Ack { room, id, seq, duplicate: false };
    let both = [sent, ack].map(|event| Entry { at: when, event });
    story.recordings[of].entries.splice(at..at, both);
    Some(())
}

fn ack_elsewhere(story: &mut Story, nth: usize) -> Option<()> {
    let all = places(story, |of, at| matches!(event(of, at), Event::Ack { .. }));
    let (of, at) = pick(&all, nth)?;
    if let Event::Ack { seq, .. } = &mut story.recordings[of].entries[at].event {
        *seq += 1 + nth as u64 % 5;
    }
    Some(())
}

fn log_hole(story: &mut Story, nth: usize) -> Option<()> {
    let log = story.logs.get_mut(ROOM)?;
    let at = nth % log.len().checked_sub(1).filter(|inside| *inside > 0)?;
    log.remove(at);
    Some(())
}

fn log_twice(story: &mut Story, nth: usize) -> Option<()> {
    let log = story.logs.get_mut(ROOM)?;
    let mut again = log.get(nth % log.len().max(1))?.clone();
    again.seq = log.len() as u64 + 1;
    log.push(again);
    Some(())
}

/// The people that person0, who stays to the end, was last told of: count and version.
fn told(story: &Story) -> Option<(u64, u64)> {
    let entries = &story.recordings[0].entries;
    entries.iter().rev().find_map(|entry| match &entry.event {
        Event::Presence { count, version, .. } => Some((*count, *version)),
        Event::Joined(joined) => Some((joined.people.count, joined.people.version?)),
        _ => None,
    })
}

fn presence(story: &mut Story, name: &str, comes: bool, at: Duration) -> Option<()> {
    let (count, version) = told(story)?;
    let name = vec![name.to_owned()];
    let (joined, left) = if comes { (name, vec![]) } else { (vec![], name) };
    let event = Event::Presence {
        room: ROOM.to_owned(),
        joined,
        left,
        count: if comes { count + 1 } else { count - 1 },
        version: version + 1,
    };
    story.recordings[0].entries.push(Entry { at, event });
    Some(())
}

fn ends_at(story: &Story) -> Duration {
    let last = story.recordings.iter().filter_map(|of| of.entries.last());
    last.map(|entry| entry.at).max().unwrap_or_default()
}

fn ghost(story: &mut Story, nth: usize) -> Option<()> {
    let at = ends_at(story);
    presence(story, ["ghost", "specter"][nth % 2], true, at)
}

fn missing(story: &mut Story, _: usize) -> Option<()> {
    let at = ends_at(story);
    presence(story, "oldpage", false, at)
}

fn node_ghost(story: &mut Story, nth: usize) -> Option<()> {
    let node = nth % story.lists.len().max(1);
    story.lists.get_mut(node)?.users.push("ghost".to_owned());
    Some(())
}

fn skip_version(story: &mut Story, nth: usize) -> Option<()> {
    let all = places(story, |of, at| matches!(event(of, at), Event::Presence { .. }));
    let (of, at) = pick(&all, nth)?;
    if let Event::Presence { version, .. } = &mut story.recordings[of].entries[at].event {
        *version += 1;
    }
    Some(())
}

fn hole(story: &mut Story, nth: usize) -> Option<()> {
    let is_join = |entry: &Entry| matches!(entry.event, Event::Joined(_));
    let resumed = |of: &Recording, at: usize| {
        matches!(event(of, at), Event::Joined(joined) if joined.recovered)
            && of.entries[..at].iter().any(is_join)
    };
    let (of, at) = pick(&places(story, resumed), nth)?;
    if let Event::Joined(joined) = &mut story.recordings[of].entries[at].event {
        joined.recovered = false;
        ["log_changed", "too_far", "position_expired", "fresh"][nth % 4].clone_into(&mut joined.reason);
    }
    Some(())
}

fn flap(story: &mut Story, _: usize) -> Option<()> {
    let at = story.steady.first()?.to;
    let name = story.steady.first()?.names.first()?.clone();
    presence(story, &name, false, at)?;
    presence(story, &name, true, at)
}

fn open_without(story: &mut Story, nth: usize) -> Option<()> {
    let closed = |of: &Recording, at: usize| matches!(event(of, at), Event::Closed { code: Some(4001), .. });
    let (of, at) = pick(&places(story, closed), nth)?;
    let when = story.recordings[of].entries[at].at;
    let welcome = Entry { at: when, event: Event::Welcome };
    story.recordings[of].entries.insert(at + 1, welcome);
    Some(())
}

fn outlive(story: &mut Story, nth: usize) -> Option<()> {
    let closed = |of: &Recording, at: usize| matches!(event(of, at), Event::Closed { code: Some(4001), .. });
    let (of, at) = pick(&places(story, closed), nth)?;
    let late = story.sign_out_limit + Duration::from_millis(1);
    for entry in &mut story.recordings[of].entries[at..] {
        entry.at += late;
    }
    Some(())
}

fn page_places(story: &Story) -> Vec<usize> {
    let entries = &story.recordings[story.recordings.len() - 1].entries;
    let heard = |at: &usize| matches!(entries[*at].event, Event::Heard { .. });
    // Before the first line a page can't tell what it missed.
    (0..entries.len()).filter(heard).skip(1).collect()
}

fn page_misses(story: &mut Story, nth: usize) -> Option<()> {
    let at = pick(&page_places(story), nth)?;
    let last = story.recordings.len() - 1;
    story.recordings[last].entries.remove(at);
    Some(())
}

fn page_twice(story: &mut Story, nth: usize) -> Option<()> {
    let at = pick(&page_places(story), nth)?;
    let last = story.recordings.len() - 1;
    let again = story.recordings[last].entries[at].clone();
    story.recordings[last].entries.insert(at + 1, again);
    Some(())
}
