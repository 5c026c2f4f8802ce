//! What a recording must keep when all of it has been judged, so that what follows can be judged as if
//! nothing had been forgotten: a story may go on for as long as it likes.
//!
//! It is meant for a moment at which everything has arrived: who is there has seen the whole log, and
//! what was said is acknowledged. What remains of a client of `v1` is whether it is signed in, the socket
//! it has, and for each room the number it has come to, with the people it believes to be there. A page has
//! no numbers: the last line that it heard remains. The log must keep as much of its end as a newcomer is shown.

use super::{here_since, is_page, last, people, rooms_of};
use crate::harness::record::{Entry, Event, Joined, List, Recording};

/// What must be kept of a recording that was judged.
pub fn remains(recording: &Recording) -> Vec<Entry> {
    let find = |fits: fn(&Event) -> bool| last(recording, fits);
    let socket = find(|event| matches!(event, Event::Connected { .. }));
    let out = find(|event| matches!(event, Event::SignedOut));
    let sign_in = find(|event| matches!(event, Event::SignedIn)).filter(|at| Some(*at) > out);
    let welcome = find(|event| matches!(event, Event::Welcome)).filter(|at| Some(*at) > socket);
    let closed = find(|event| matches!(event, Event::Closed { .. })).filter(|at| Some(*at) > socket);
    let copy = |at: Option<usize>| at.map(|at| recording.entries[at].clone());
    let (here, elsewhere) = if is_page(recording) { hearing(recording, socket) } else { places(recording) };
    let mut kept: Vec<Entry> = copy(sign_in).into_iter().chain(elsewhere).collect();
    kept.extend(copy(socket).into_iter().chain(copy(welcome)).chain(here));
    let mut end: Vec<usize> = closed.into_iter().chain(out.filter(|_| sign_in.is_none())).collect();
    end.sort_unstable();
    kept.extend(end.into_iter().map(|at| recording.entries[at].clone()));
    kept
}

/// What a page was told on its socket: who is there, and the last line; and its list from before, if it has
/// no other.
fn hearing(recording: &Recording, socket: Option<usize>) -> (Vec<Entry>, Vec<Entry>) {
    let list = last(recording, |event| matches!(event, Event::People { .. }));
    let heard = last(recording, |event| matches!(event, Event::Heard { .. }));
    let told = [list, heard].into_iter().flatten();
    let (on_it, before): (Vec<usize>, Vec<usize>) = told.partition(|at| Some(*at) > socket);
    let copies = |all: Vec<usize>| all.into_iter().map(|at| recording.entries[at].clone()).collect();
    (
        copies(on_it),
        copies(before.into_iter().filter(|at| Some(*at) == list).collect()),
    )
}

/// Where a client has come to: in the rooms in which it is, and in those in which it was.
fn places(recording: &Recording) -> (Vec<Entry>, Vec<Entry>) {
    let is_here = |room: &&str| here_since(recording, room).is_some();
    let (here, elsewhere): (Vec<&str>, Vec<&str>) = rooms_of(recording).into_iter().partition(is_here);
    let all = |rooms: Vec<&str>| rooms.into_iter().filter_map(|room| place(recording, room)).collect();
    (all(here), all(elsewhere))
}

/// As if it had just joined there, and there were nothing new.
fn place(recording: &Recording, room: &str) -> Option<Entry> {
    let mut place = None;
    for entry in &recording.entries {
        let seq = match &entry.event {
            Event::Joined(joined) if joined.room == room => joined.seq,
            Event::Message { room: of, said } if of == room => said.seq,
            _ => continue,
        };
        place = Some((entry.at, seq));
    }
    let (at, seq) = place?;
    // A list that does not name everybody says nothing of who is missing.
    let unknown = List { count: 1, ..List::default() };
    let joined = Joined {
        room: room.to_owned(),
        seq,
        recovered: true,
        people: people::believed(recording, room).unwrap_or(unknown),
        ..Joined::default()
    };
    Some(Entry { at, event: Event::Joined(joined) })
}
