//! What clients of the seed dialect were shown: no numbers, so each socket must have heard a run of
//! the log without a gap, and who is there at the end must have heard its end.

use std::collections::HashMap;

use super::{Breach, Rule, Story, here_since, in_time, is_page, lines, log::origin};
use crate::harness::record::{Event, Recording, Said};

const ROOM: &str = "lobby";

pub(super) fn judge(story: &Story, found: &mut Vec<Breach>) {
    let mut places: HashMap<(&str, &str), Vec<u64>> = HashMap::new();
    for said in story.log(ROOM) {
        places.entry((&said.who, &said.text)).or_default().push(said.seq);
    }
    for recording in story.recordings.iter().filter(|of| is_page(of)) {
        hears_a_run(story, recording, &places, found);
    }
}

fn hears_a_run(
    story: &Story,
    recording: &Recording,
    places: &HashMap<(&str, &str), Vec<u64>>,
    found: &mut Vec<Breach>,
) {
    // The last number it heard, and by which entry.
    let mut position: Option<(u64, usize)> = None;
    for (at, entry) in recording.entries.iter().enumerate() {
        match &entry.event {
            Event::Connected { .. } => position = None,
            Event::Heard { who, text } => {
                let fits = places.get(&(who.as_str(), text.as_str())).map_or(&[][..], Vec::as_slice);
                let next = position.map(|(seq, _)| seq + 1);
                let seq = next.filter(|next| fits.contains(next)).or(fits.last().copied());
                match (seq, position) {
                    (None, _) => found.push(Breach {
                        rule: Rule::Content,
                        what: format!("{} hears what the log of {ROOM} does not hold", recording.client),
                        history: lines(recording, [at]),
                    }),
                    (Some(seq), Some((before, first))) if seq != before + 1 => found.push(Breach {
                        rule: if seq <= before { Rule::Twice } else { Rule::Order },
                        what: format!("{} hears #{seq} after #{before}", recording.client),
                        history: lines(recording, [first, at]),
                    }),
                    _ => {}
                }
                position = seq.map(|seq| (seq, at)).or(position);
            }
            _ => {}
        }
    }
    let (Some((seq, at)), Some(since)) = (position, here_since(recording, ROOM)) else {
        return;
    };
    if let Some(said) = story.log(ROOM).iter().find(|said: &&Said| said.seq > seq) {
        let mut history = lines(recording, [since, at]);
        history.extend(origin(story, ROOM, said));
        found.push(Breach {
            rule: Rule::Missed,
            what: format!("{} is there and has never heard {said}", recording.client),
            history: in_time(history),
        });
    }
}
