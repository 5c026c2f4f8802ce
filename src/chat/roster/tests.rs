//! A roster, driven by hand and by generated histories.

use std::collections::{BTreeSet, HashMap, HashSet};

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
    let people = |range: std::ops::Range<usize>| range.map(|n| Username::from_store(format!("user{n:05}")));
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
