//! What each client was shown: the log's order, without a gap, nothing twice, to the end.

use std::collections::HashMap;

use super::{Breach, Rule, Story, here_since, in_time, joins_between, lines, log::origin, rooms_of};
use crate::harness::record::{Event, Joined, Recording, Said};

pub(super) fn judge(story: &Story, found: &mut Vec<Breach>) {
    for recording in story.recordings.iter().filter(|of| !super::is_page(of)) {
        for room in rooms_of(recording) {
            let mut reader = Reader {
                story,
                recording,
                room,
                position: None,
                shown: HashMap::new(),
                found,
            };
            reader.read();
        }
    }
    one_number_per_id(story, found);
}

/// Follows one client through one room.
struct Reader<'a> {
    story: &'a Story,
    recording: &'a Recording,
    room: &'a str,
    /// The last number it has, and the entry that brought it.
    position: Option<(u64, usize)>,
    /// What it was shown since it last began anew, and by which entry.
    shown: HashMap<u64, usize>,
    found: &'a mut Vec<Breach>,
}

impl Reader<'_> {
    fn read(&mut self) {
        for (at, entry) in self.recording.entries.iter().enumerate() {
            match &entry.event {
                Event::Joined(joined) if joined.room == self.room => self.joined(joined, at),
                Event::Message { room, said } if room == self.room => self.take(said, at),
                _ => {}
            }
        }
        self.ended();
    }

    fn joined(&mut self, joined: &Joined, at: usize) {
        if !joined.recovered {
            self.begins_anew(joined, at);
        }
        for said in &joined.messages {
            self.take(said, at);
        }
        match self.position {
            Some((seq, before)) if seq != joined.seq => {
                let what = format!("it is told to be at {} and has seen up to {seq}", joined.seq);
                self.breach(Rule::Order, &what, [before, at]);
                self.position = Some((joined.seq, at));
            }
            Some(_) => {}
            None => self.position = Some((joined.seq, at)),
        }
    }

    /// A history that does not go on: the test must have asked for it.
    fn begins_anew(&mut self, joined: &Joined, at: usize) {
        let expected = self.story.holes.contains(&joined.reason);
        if let Some((seq, before)) = self.position.take().filter(|_| !expected) {
            let what = format!("its history after {seq} is not continued: {}", joined.reason);
            self.breach(Rule::Hole, &what, [before, at]);
        } else if joined.reason != "fresh" && !expected {
            let what = format!("a first join is answered {}", joined.reason);
            self.breach(Rule::Hole, &what, [at]);
        }
        self.shown.clear();
    }

    fn take(&mut self, said: &Said, at: usize) {
        if let Some(first) = self.shown.insert(said.seq, at) {
            let joins = joins_between(self.recording, self.room, first, at);
            let history: Vec<usize> = joins.chain([first, at]).collect();
            self.breach(Rule::Twice, &format!("it is shown twice {said}"), history);
        } else if let Some((seq, before)) = self.position.filter(|(seq, _)| said.seq != seq + 1) {
            self.breach(Rule::Order, &format!("after #{seq} it is shown {said}"), [before, at]);
        }
        self.position = Some((said.seq, at));
        match self.story.at(self.room, said.seq) {
            Some(held) if held == said => {}
            Some(held) => self.breach(Rule::Content, &format!("the log holds {held}"), [at]),
            None => self.breach(Rule::Content, &format!("the log does not hold {said}"), [at]),
        }
    }

    /// Who is there at the end has everything up to the log's end.
    fn ended(&mut self) {
        let (Some((seq, at)), Some(since)) = (self.position, here_since(self.recording, self.room)) else {
            return;
        };
        let missed = self.story.log(self.room).iter().find(|said| said.seq > seq);
        if let Some(said) = missed {
            let mut history = lines(self.recording, [since, at]);
            history.extend(origin(self.story, self.room, said));
            self.found.push(Breach {
                rule: Rule::Missed,
                what: format!("{} is there and has never seen {said}", self.recording.client),
                history: in_time(history),
            });
        }
    }

    fn breach(&mut self, rule: Rule, what: &str, at: impl IntoIterator<Item = usize>) {
        let what = format!("{} in {}: {what}", self.recording.client, self.room);
        let history = lines(self.recording, at);
        self.found.push(Breach { rule, what, history });
    }
}

/// Nobody sees an id at another number than somebody else.
fn one_number_per_id(story: &Story, found: &mut Vec<Breach>) {
    let mut first = HashMap::new();
    for recording in &story.recordings {
        for (at, entry) in recording.entries.iter().enumerate() {
            let (room, shown) = match &entry.event {
                Event::Joined(joined) => (&joined.room, joined.messages.as_slice()),
                Event::Message { room, said } => (room, std::slice::from_ref(said)),
                _ => continue,
            };
            for said in shown {
                let key = (room, &said.who, &said.id);
                let (seq, whose, place) = *first.entry(key).or_insert((said.seq, recording, at));
                if seq != said.seq {
                    let mut history = lines(whose, [place]);
                    history.extend(lines(recording, [at]));
                    found.push(Breach {
                        rule: Rule::Twice,
                        what: format!("one id at two numbers: #{seq}, and {said}"),
                        history: in_time(history),
                    });
                }
            }
        }
    }
}
