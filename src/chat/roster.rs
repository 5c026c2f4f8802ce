//! Who is in one room, as one node tells its members: sets in, versioned changes out.
//!
//! Pure. It promises that the list is the union of this node's own set and of the other
//! incarnations' sets, that a change is told once with the version that follows, and that a
//! person whose last socket here was lost stays in this node's own set for the grace time.

use std::{
    cmp::Ordering,
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    cluster::{Incarnation, RoomSets, SetChange, SetsVersion},
    domain::Username,
    protocol::v1::PeopleFragment,
};

/// The most names a list in a frame carries; the count is always the whole.
pub const LISTED: usize = 500;
/// Up to so many names a change tells in any room. A larger one, in a room with more people than a
/// list carries, tells only of those whom the list would name: else a storm of N people would cost
/// N names for each of N members.
const TOLD: usize = 32;

/// What is known of the sets of a room that has to be read again whatever their version.
pub const UNSURE: SetsVersion = SetsVersion { era: 0, number: u64::MAX };

/// How a person stopped being connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Departure {
    /// The connection broke or the node drains: they may be back within the grace time.
    Lost,
    /// They left, or their sign-in ended.
    Left,
}

/// A change of the list, told once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Who is new, in list order.
    pub joined: Vec<Username>,
    /// Who is gone, in list order.
    pub left: Vec<Username>,
    /// The list's version after it.
    pub version: u64,
    /// How many people there are after it.
    pub count: usize,
}

/// A name in list order: without case first.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Listed(String, Username);

impl Listed {
    fn new(name: &Username) -> Self {
        Self(name.folded(), name.clone())
    }
}

impl Ord for Listed {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0).then_with(|| self.1.cmp(&other.1))
    }
}

impl PartialOrd for Listed {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[derive(Debug)]
enum Standing {
    /// So many sockets here.
    Here(usize),
    /// None any more; gone at that time.
    Until(Instant),
}

/// What the other incarnations' sets mean for this node's knowledge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Knowledge {
    /// The change followed the last known version.
    Current,
    /// Something was missed: read the sets again.
    Behind,
}

/// The people of one room.
#[derive(Debug, Default)]
pub struct Roster {
    own: HashMap<Username, Standing>,
    /// Ends of grace, earliest first.
    ends: BTreeSet<(Instant, Username)>,
    foreign: HashMap<Incarnation, HashSet<Username>>,
    /// The version of the sets (the cluster's) that `foreign` shows.
    sets_version: SetsVersion,
    shown: BTreeSet<Listed>,
    dirty: HashSet<Username>,
    version: u64,
    fragment: Option<Arc<PeopleFragment>>,
}

impl Roster {
    /// A socket of `name` came. `true` when the name came into this node's own set.
    pub fn arrive(&mut self, name: &Username) -> bool {
        match self.own.get_mut(name) {
            Some(Standing::Here(sockets)) => {
                *sockets += 1;
                false
            }
            Some(standing @ Standing::Until(_)) => {
                if let Standing::Until(end) = std::mem::replace(standing, Standing::Here(1)) {
                    self.ends.remove(&(end, name.clone()));
                }
                false
            }
            None => {
                self.own.insert(name.clone(), Standing::Here(1));
                self.dirty.insert(name.clone());
                true
            }
        }
    }

    /// A socket of `name` went. `true` when the name went out of this node's own set at once.
    pub fn depart(&mut self, name: &Username, now: Instant, how: Departure, grace: Duration) -> bool {
        let Some(standing) = self.own.get_mut(name) else { return false };
        match standing {
            Standing::Here(sockets) if *sockets > 1 => {
                *sockets -= 1;
                false
            }
            Standing::Here(_) if how == Departure::Lost && !grace.is_zero() => {
                *standing = Standing::Until(now + grace);
                self.ends.insert((now + grace, name.clone()));
                false
            }
            Standing::Here(_) => {
                self.remove_own(name);
                true
            }
            Standing::Until(_) => false,
        }
    }

    /// Those whose grace has ended: out of this node's own set.
    pub fn expire(&mut self, now: Instant) -> Vec<Username> {
        let mut gone = Vec::new();
        while self.ends.first().is_some_and(|(end, _)| *end <= now) {
            let Some((_, name)) = self.ends.pop_first() else { break };
            self.remove_own(&name);
            gone.push(name);
        }
        gone
    }

    /// When the next grace ends.
    pub fn next_end(&self) -> Option<Instant> {
        self.ends.first().map(|(end, _)| *end)
    }

    /// This node's own set.
    pub fn own(&self) -> impl Iterator<Item = &Username> {
        self.own.keys()
    }

    /// Whether this node's own set is empty.
    pub fn own_is_empty(&self) -> bool {
        self.own.is_empty()
    }

    /// The version of the cluster's sets that is known here.
    pub const fn sets_version(&self) -> SetsVersion {
        self.sets_version
    }

    /// This node's own set was changed in the cluster, which gave that version.
    pub fn own_change_told(&mut self, version: SetsVersion) -> Knowledge {
        if version.is_within(self.sets_version) {
            Knowledge::Current
        } else if version.follows(self.sets_version) {
            self.sets_version = version;
            Knowledge::Current
        } else {
            Knowledge::Behind
        }
    }

    /// Another incarnation's set changed.
    pub fn change(&mut self, who: Incarnation, change: &SetChange) -> Knowledge {
        if change.version.is_within(self.sets_version) {
            return Knowledge::Current;
        }
        if !change.version.follows(self.sets_version) {
            return Knowledge::Behind;
        }
        self.sets_version = change.version;
        let set = self.foreign.entry(who).or_default();
        for name in &change.joined {
            set.insert(name.clone());
        }
        for name in &change.left {
            set.remove(name);
        }
        self.dirty.extend(change.joined.iter().chain(&change.left).cloned());
        Knowledge::Current
    }

    /// All sets as the cluster holds them now, without this node's own and without the dead.
    /// `keep`: those it does not hold stay as they were, because its memory was lost and they may
    /// not have been written again yet.
    pub fn replace(
        &mut self,
        sets: &RoomSets,
        keep: bool,
        me: Incarnation,
        is_dead: impl Fn(Incarnation) -> bool,
    ) {
        let held = |who: &Incarnation| sets.sets.iter().any(|(other, _)| other == who);
        let before = self.foreign.extract_if(|who, _| !keep || held(who) || is_dead(*who));
        let mut touched: HashSet<Username> = before.flat_map(|(_, names)| names).collect();
        for (who, names) in sets.sets.iter().filter(|(who, _)| *who != me && !is_dead(*who)) {
            touched.extend(names.iter().cloned());
            self.foreign.insert(*who, names.iter().cloned().collect());
        }
        touched.retain(|name| self.holds(name) != self.shown.contains(&Listed::new(name)));
        self.dirty.extend(touched);
        self.sets_version = sets.version;
    }

    /// The sets have to be read again, whatever their version.
    pub const fn doubt(&mut self) {
        self.sets_version = UNSURE;
    }

    /// An incarnation died: its set counts no more.
    pub fn bury(&mut self, who: Incarnation) {
        self.dirty.extend(self.foreign.remove(&who).into_iter().flatten());
    }

    /// Whether something may have changed since the last [`Self::flush`].
    pub fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// What has changed since the last time, if anything: people who came and went in between
    /// are not told.
    pub fn flush(&mut self) -> Option<Change> {
        let (mut joined, mut left) = (Vec::new(), Vec::new());
        for name in std::mem::take(&mut self.dirty) {
            let listed = Listed::new(&name);
            match (self.holds(&name), self.shown.contains(&listed)) {
                (true, false) => {
                    self.shown.insert(listed);
                    joined.push(name);
                }
                (false, true) => {
                    self.shown.remove(&listed);
                    left.push(name);
                }
                _ => {}
            }
        }
        if joined.is_empty() && left.is_empty() {
            return None;
        }
        joined.sort_by(Username::list_order);
        left.sort_by(Username::list_order);
        self.version += 1;
        self.fragment = None;
        Some(Change { joined, left, version: self.version, count: self.shown.len() })
    }

    /// What of a change its receivers are told by name.
    pub fn told_of(&self, mut change: Change) -> Change {
        if change.joined.len() + change.left.len() > TOLD
            && let Some(Listed(_, first)) = self.shown.iter().nth(LISTED)
        {
            let is_listed = |name: &Username| name.list_order(first).is_lt();
            change.joined.retain(is_listed);
            change.left.retain(is_listed);
        }
        change
    }

    /// How many people there are, as last told.
    pub fn count(&self) -> usize {
        self.shown.len()
    }

    /// The list as last told, from the one after `after`.
    pub fn list(&self, after: Option<&Username>) -> impl Iterator<Item = &Username> {
        let from =
            after.map_or(std::ops::Bound::Unbounded, |name| std::ops::Bound::Excluded(Listed::new(name)));
        self.shown.range((from, std::ops::Bound::Unbounded)).map(|listed| &listed.1)
    }

    /// The list as last told, encoded once per version.
    pub fn fragment(&mut self) -> Arc<PeopleFragment> {
        if let Some(fragment) = &self.fragment {
            return Arc::clone(fragment);
        }
        let names: Vec<Username> = self.list(None).take(LISTED).cloned().collect();
        let fragment = Arc::new(PeopleFragment::new(&names, self.shown.len(), self.version));
        self.fragment = Some(Arc::clone(&fragment));
        fragment
    }

    /// The list for somebody who has just come and may not have been told of yet: with `name`.
    pub fn fragment_with(&mut self, name: &Username) -> Arc<PeopleFragment> {
        if self.shown.contains(&Listed::new(name)) {
            return self.fragment();
        }
        let mut names: Vec<Username> = self.list(None).take(LISTED).cloned().collect();
        let at = names.partition_point(|other| other.list_order(name) == Ordering::Less);
        names.insert(at, name.clone());
        names.truncate(LISTED);
        Arc::new(PeopleFragment::new(&names, self.shown.len() + 1, self.version))
    }

    fn holds(&self, name: &Username) -> bool {
        self.own.contains_key(name) || self.foreign.values().any(|set| set.contains(name))
    }

    fn remove_own(&mut self, name: &Username) {
        self.own.remove(name);
        self.dirty.insert(name.clone());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GRACE: Duration = Duration::from_secs(5);

    fn name(n: usize) -> Username {
        Username::from_store(format!("user{n}"))
    }

    fn at(number: u64) -> SetsVersion {
        SetsVersion { era: 1, number }
    }

    fn names(roster: &Roster) -> Vec<String> {
        roster.list(None).map(ToString::to_string).collect()
    }

    #[test]
    fn a_reload_within_the_grace_time_changes_nothing() {
        let mut roster = Roster::default();
        let now = Instant::now();
        assert!(roster.arrive(&name(1)));
        assert_eq!(roster.flush().unwrap().version, 1);
        assert!(!roster.depart(&name(1), now, Departure::Lost, GRACE));
        assert!(roster.flush().is_none());
        assert!(!roster.arrive(&name(1)));
        assert!(roster.expire(now + GRACE * 2).is_empty());
        assert!(roster.flush().is_none());
    }

    #[test]
    fn the_grace_ends_and_leaving_needs_none() {
        let mut roster = Roster::default();
        let now = Instant::now();
        roster.arrive(&name(1));
        roster.arrive(&name(2));
        roster.flush();
        roster.depart(&name(1), now, Departure::Lost, GRACE);
        assert_eq!(roster.next_end(), Some(now + GRACE));
        assert!(roster.depart(&name(2), now, Departure::Left, GRACE));
        assert_eq!(roster.flush().unwrap().left, [name(2)]);
        assert_eq!(roster.expire(now + GRACE), [name(1)]);
        let change = roster.flush().unwrap();
        assert_eq!((change.left, change.version, change.count), (vec![name(1)], 3, 0));
    }

    #[test]
    fn somebody_on_two_nodes_leaves_with_the_last() {
        let mut roster = Roster::default();
        let other = Incarnation::random();
        roster.arrive(&name(1));
        roster.flush();
        let joined = SetChange { version: at(1), joined: vec![name(1), name(2)], left: vec![] };
        assert_eq!(roster.change(other, &joined), Knowledge::Current);
        assert_eq!(roster.flush().unwrap().joined, [name(2)]);
        roster.depart(&name(1), Instant::now(), Departure::Left, GRACE);
        assert!(roster.flush().is_none());
        roster.bury(other);
        assert_eq!(roster.flush().unwrap().left, [name(1), name(2)]);
    }

    #[test]
    fn of_a_storm_in_a_crowd_only_the_listed_are_told() {
        let mut roster = Roster::default();
        let people =
            |range: std::ops::Range<usize>| range.map(|n| Username::from_store(format!("user{n:05}")));
        for name in people(0..LISTED) {
            roster.arrive(&name);
        }
        assert_eq!(
            roster.flush().unwrap().joined.len(),
            LISTED,
            "as long as the list names everybody"
        );
        for name in people(LISTED..LISTED + 1000) {
            roster.arrive(&name);
        }
        let change = roster.flush().unwrap();
        assert_eq!(change.joined.len(), 1000);
        let told = roster.told_of(change);
        assert_eq!((told.joined.len(), told.count), (0, LISTED + 1000));
        for name in people(990..1022) {
            roster.depart(&name, Instant::now(), Departure::Left, GRACE);
        }
        let change = roster.flush().unwrap();
        assert_eq!(roster.told_of(change).left.len(), TOLD, "a few are told in any room");
        for name in people(480..520) {
            roster.depart(&name, Instant::now(), Departure::Left, GRACE);
        }
        let change = roster.flush().unwrap();
        let change = roster.told_of(change);
        assert!(change.left.len() >= 20, "whom the list named is told: {change:?}");
        assert_eq!(change.count, roster.list(None).count());
    }

    #[test]
    fn a_missed_version_asks_for_the_sets() {
        let mut roster = Roster::default();
        let (me, other, dead) = (Incarnation::random(), Incarnation::random(), Incarnation::random());
        let change = |number| SetChange { version: at(number), joined: vec![name(3)], left: vec![] };
        assert_eq!(roster.change(other, &change(2)), Knowledge::Behind);
        assert!(!roster.is_dirty());
        let sets = RoomSets {
            version: at(7),
            sets: vec![(other, vec![name(4)]), (me, vec![name(8)]), (dead, vec![name(9)])],
        };
        roster.replace(&sets, false, me, |who| who == dead);
        assert_eq!(roster.change(other, &change(7)), Knowledge::Current, "an old one is ignored");
        roster.flush();
        assert_eq!(names(&roster), ["user4"]);
        assert_eq!(roster.own_change_told(at(8)), Knowledge::Current);
        assert_eq!(roster.own_change_told(at(10)), Knowledge::Behind);
    }

    #[test]
    fn what_a_lost_memory_lacks_stays_as_long_as_it_may_be_written_again() {
        let mut roster = Roster::default();
        let [me, known, dead, new] = [(); 4].map(|()| Incarnation::random());
        let sets = |version, sets| RoomSets { version, sets };
        let full = sets(at(7), vec![(known, vec![name(1)]), (dead, vec![name(2)])]);
        roster.replace(&full, false, me, |_| false);
        roster.flush();
        let empty = sets(SetsVersion::NONE, vec![]);
        roster.replace(&empty, true, me, |who| who == dead);
        assert_eq!(roster.flush().unwrap().left, [name(2)], "the dead do not stay");
        let partly = sets(SetsVersion { era: 2, number: 1 }, vec![(new, vec![name(3)])]);
        roster.replace(&partly, true, me, |_| false);
        assert_eq!(roster.flush().unwrap().joined, [name(3)]);
        assert_eq!(names(&roster), ["user1", "user3"]);
        roster.doubt();
        assert!(!partly.version.follows(roster.sets_version()) && !partly.version.contradicts(UNSURE));
        roster.replace(&partly, false, me, |_| false);
        assert_eq!(roster.flush().unwrap().left, [name(1)], "not written again in time");
    }

    #[test]
    fn a_newcomer_sees_itself_before_the_others_are_told() {
        let mut roster = Roster::default();
        roster.arrive(&name(1));
        roster.flush();
        roster.arrive(&name(0));
        let fragment = roster.fragment_with(&name(0));
        assert_eq!(
            fragment.as_json_fields(),
            r#""users":["user0","user1"],"userCount":2,"version":1"#
        );
        assert_eq!(
            roster.fragment().as_json_fields(),
            r#""users":["user1"],"userCount":1,"version":1"#
        );
    }

    #[derive(Debug, Clone)]
    enum Happening {
        Arrive(usize),
        Depart(usize, bool),
        Pass(u64),
        Foreign(usize, Vec<usize>, Vec<usize>),
        Bury(usize),
        Flush,
    }

    fn happening() -> impl Strategy<Value = Happening> {
        let some = || prop::collection::vec(0usize..8, 0..4);
        prop_oneof![
            4 => (0usize..8).prop_map(Happening::Arrive),
            4 => (0usize..8, any::<bool>()).prop_map(|(n, lost)| Happening::Depart(n, lost)),
            2 => (0u64..7000).prop_map(Happening::Pass),
            2 => (0usize..3, some(), some()).prop_map(|(who, joined, left)| Happening::Foreign(who, joined, left)),
            1 => (0usize..3).prop_map(Happening::Bury),
            2 => Just(Happening::Flush),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn the_changes_add_up_to_the_union(happenings in prop::collection::vec(happening(), 0..120)) {
            let others = [Incarnation::random(), Incarnation::random(), Incarnation::random()];
            let mut roster = Roster::default();
            let mut now = Instant::now();
            // The model: sockets per name, ends of grace, foreign sets; and what members were told.
            let mut sockets: HashMap<Username, usize> = HashMap::new();
            let mut lingering: HashMap<Username, Instant> = HashMap::new();
            let mut foreign: HashMap<usize, HashSet<Username>> = HashMap::new();
            let (mut told, mut version) = (BTreeSet::new(), 0);
            for happening in happenings.into_iter().chain([Happening::Flush]) {
                match happening {
                    Happening::Arrive(n) => {
                        roster.arrive(&name(n));
                        *sockets.entry(name(n)).or_default() += 1;
                        lingering.remove(&name(n));
                    }
                    Happening::Depart(n, lost) => {
                        let Some(count) = sockets.get_mut(&name(n)) else { continue };
                        *count -= 1;
                        if *count == 0 {
                            sockets.remove(&name(n));
                            if lost {
                                lingering.insert(name(n), now + GRACE);
                            }
                        }
                        roster.depart(&name(n), now, if lost { Departure::Lost } else { Departure::Left }, GRACE);
                    }
                    Happening::Pass(ms) => {
                        now += Duration::from_millis(ms);
                        lingering.retain(|_, end| *end > now);
                        roster.expire(now);
                    }
                    Happening::Foreign(who, joined, left) => {
                        let change = SetChange {
                            version: at(roster.sets_version().number + 1),
                            joined: joined.iter().map(|n| name(*n)).collect(),
                            left: left.iter().map(|n| name(*n)).collect(),
                        };
                        prop_assert_eq!(roster.change(others[who], &change), Knowledge::Current);
                        let set = foreign.entry(who).or_default();
                        set.extend(change.joined);
                        for gone in &change.left {
                            set.remove(gone);
                        }
                    }
                    Happening::Bury(who) => {
                        roster.bury(others[who]);
                        foreign.remove(&who);
                    }
                    Happening::Flush => {
                        if let Some(change) = roster.flush() {
                            prop_assert_eq!(change.version, version + 1);
                            version = change.version;
                            for came in change.joined {
                                prop_assert!(told.insert(came));
                            }
                            for gone in change.left {
                                prop_assert!(told.remove(&gone));
                            }
                            prop_assert_eq!(change.count, told.len());
                        }
                        let union: BTreeSet<Username> = sockets.keys().chain(lingering.keys())
                            .chain(foreign.values().flatten()).cloned().collect();
                        prop_assert_eq!(&told, &union);
                        prop_assert_eq!(roster.list(None).cloned().collect::<BTreeSet<_>>(), union);
                    }
                }
            }
        }
    }
}
