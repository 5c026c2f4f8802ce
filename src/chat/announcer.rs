//! When a room's members are told of a change of the list, and in which words.
//!
//! Pure. Members of `v1` get small deltas, at most one per [`INTERVAL`] and room, and less often in
//! a crowd. Members of the
//! seed dialect know only whole lists and a line per person, so theirs share a byte budget: after
//! so many bytes they are told nothing more until the budget has grown back, at most a second. A
//! storm of N joins therefore costs each of them about N bytes, not N lists.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use super::roster::Change;
use crate::domain::Username;

/// The least time between two deltas of one room, up to [`CROWD`] people in it.
pub const INTERVAL: Duration = Duration::from_millis(100);
/// The same in a room of any size.
const INTERVAL_MOST: Duration = Duration::from_millis(500);
/// Beyond so many people the interval grows with them, so that no room costs its node more than
/// so many frames per [`INTERVAL`].
const CROWD: u32 = 1000;
/// What one seed member may be sent in lists and lines, bytes per second.
const BUDGET: u64 = 16 * 1024;
/// The longest a list may be withheld.
const PATIENCE: Duration = Duration::from_secs(1);
/// Up to so many people get a line of their own.
const SINGLE_LINES: usize = 8;

/// One announcement line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The text.
    pub text: String,
    /// The person it is about, who is not shown it; `None` when it is about several.
    pub about: Option<Username>,
}

/// The timing of one room.
#[derive(Debug, Default)]
pub struct Announcer {
    next_delta: Option<Instant>,
    next_list: Option<Instant>,
    joined: BTreeSet<Username>,
    left: BTreeSet<Username>,
    /// The list changed without anybody having come or gone.
    rebuilt: bool,
}

impl Announcer {
    /// When the next delta may be told; it is now if that is past.
    pub fn delta_at(&self, now: Instant) -> Instant {
        self.next_delta.map_or(now, |at| at.max(now))
    }

    /// A delta has been told to the `v1` members; the seed members will hear of it.
    pub fn told(&mut self, now: Instant, change: &Change) {
        self.next_delta = Some(now + interval(change.count));
        for name in &change.joined {
            if !self.left.remove(name) {
                self.joined.insert(name.clone());
            }
        }
        for name in &change.left {
            if !self.joined.remove(name) {
                self.left.insert(name.clone());
            }
        }
    }

    /// The whole list, as it was rebuilt, has been told to the `v1` members; the seed members will
    /// hear of it without a line. A list costs more than a delta, so the next waits longer.
    pub fn told_quietly(&mut self, now: Instant) {
        self.next_delta = Some(now + PATIENCE);
        self.rebuilt = true;
    }

    /// When the seed members should be told, if there is anything to tell.
    pub fn list_at(&self, now: Instant) -> Option<Instant> {
        let pending = self.rebuilt || !self.joined.is_empty() || !self.left.is_empty();
        pending.then(|| self.next_list.map_or(now, |at| at.max(now)))
    }

    /// The lines for the seed members.
    pub fn lines(&mut self) -> Vec<Line> {
        let joined = std::mem::take(&mut self.joined);
        let left = std::mem::take(&mut self.left);
        self.rebuilt = false;
        let single = joined.len() + left.len() <= SINGLE_LINES;
        [(joined, "joined"), (left, "left")]
            .into_iter()
            .flat_map(|(names, verb)| if single { one_each(&names, verb) } else { summary(&names, verb) })
            .collect()
    }

    /// Lines and list of so many bytes have gone to each seed member.
    pub fn spent(&mut self, now: Instant, bytes: usize) {
        let cost = Duration::from_millis(bytes as u64 * 1000 / BUDGET);
        self.next_list = Some(now + cost.clamp(INTERVAL, PATIENCE));
    }
}

/// The pause after a delta in a room of so many people.
fn interval(people: usize) -> Duration {
    let people = u32::try_from(people).unwrap_or(u32::MAX).max(CROWD);
    (INTERVAL.saturating_mul(people) / CROWD).min(INTERVAL_MOST)
}

fn one_each(names: &BTreeSet<Username>, verb: &str) -> Vec<Line> {
    let line = |name: &Username| Line {
        text: format!("{name} has {verb} the chat room"),
        about: Some(name.clone()),
    };
    names.iter().map(line).collect()
}

/// "alice, bob and 98 others have joined the chat room".
fn summary(names: &BTreeSet<Username>, verb: &str) -> Vec<Line> {
    let mut first = names.iter();
    let text = match (first.next(), first.next(), names.len()) {
        (None, _, _) => return Vec::new(),
        (Some(one), None, _) => format!("{one} has {verb} the chat room"),
        (Some(one), Some(two), 2) => format!("{one} and {two} have {verb} the chat room"),
        (Some(one), Some(two), 3) => format!("{one}, {two} and 1 other have {verb} the chat room"),
        (Some(one), Some(two), n) => format!("{one}, {two} and {} others have {verb} the chat room", n - 2),
    };
    vec![Line { text, about: None }]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(joined: &[&str], left: &[&str]) -> Change {
        let names = |list: &[&str]| list.iter().map(|name| Username::from_store(*name)).collect();
        Change {
            joined: names(joined),
            left: names(left),
            version: 1,
            count: 0,
        }
    }

    fn texts(announcer: &mut Announcer) -> Vec<String> {
        announcer.lines().into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn a_few_get_a_line_each() {
        let mut announcer = Announcer::default();
        announcer.told(Instant::now(), &change(&["bob", "alice"], &["carol"]));
        let lines = announcer.lines();
        assert_eq!(lines[0].text, "alice has joined the chat room");
        assert_eq!(lines[0].about, Some(Username::from_store("alice")));
        assert_eq!(lines[2].text, "carol has left the chat room");
        assert!(announcer.list_at(Instant::now()).is_none());
    }

    #[test]
    fn a_crowd_is_told_less_often() {
        assert_eq!(interval(0), INTERVAL);
        assert_eq!(interval(1000), INTERVAL);
        assert_eq!(interval(2500), Duration::from_millis(250));
        assert_eq!(interval(usize::MAX), INTERVAL_MOST);
    }

    #[test]
    fn many_share_one() {
        let mut announcer = Announcer::default();
        let names: Vec<String> = (0..100).map(|n| format!("user{n:03}")).collect();
        let refs: Vec<&str> = names.iter().map(String::as_str).collect();
        announcer.told(Instant::now(), &change(&refs, &["zoe"]));
        assert_eq!(
            texts(&mut announcer),
            [
                "user000, user001 and 98 others have joined the chat room",
                "zoe has left the chat room"
            ]
        );
    }

    #[test]
    fn who_comes_and_goes_in_between_is_not_mentioned() {
        let mut announcer = Announcer::default();
        let now = Instant::now();
        announcer.told(now, &change(&["alice"], &[]));
        announcer.told(now, &change(&[], &["alice"]));
        assert!(announcer.list_at(now).is_none());
    }

    #[test]
    fn a_rebuilt_list_is_shown_without_a_line() {
        let mut announcer = Announcer::default();
        let now = Instant::now();
        announcer.told_quietly(now);
        assert_eq!(announcer.list_at(now), Some(now));
        assert!(announcer.lines().is_empty());
        assert!(announcer.list_at(now).is_none());
        assert_eq!(announcer.delta_at(now), now + PATIENCE);
    }

    #[test]
    fn a_long_list_is_followed_by_a_pause_of_at_most_a_second() {
        let mut announcer = Announcer::default();
        let now = Instant::now();
        announcer.spent(now, 8 * 1024);
        announcer.told(now, &change(&["alice"], &[]));
        assert_eq!(announcer.list_at(now), Some(now + Duration::from_millis(500)));
        announcer.spent(now, 1024 * 1024);
        assert_eq!(announcer.list_at(now), Some(now + PATIENCE));
        assert_eq!(announcer.delta_at(now), now + INTERVAL);
    }
}
