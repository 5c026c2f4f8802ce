//! One node: the cores, and the steps of the code that drives them.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::Hash,
    mem,
    time::Instant,
};

use super::{Broken, ROOM, cluster::Cluster};
use crate::{
    chat::{
        leases::{LEASE, Leases},
        model::explorer::Tape,
        presence_pump::wanted::{Difference, Wanted},
        rooms::Reading,
        roster::Roster,
    },
    cluster::{Beat, Incarnation, RoomSets, SetChange, SetsVersion},
    domain::{RoomId, Username},
};

/// What is under way for a node that stands still.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum UnderWay {
    Nothing,
    Change,
    Sets,
    Beats,
}

/// The same, with what it carries.
#[derive(Debug, Clone)]
pub(super) enum Held {
    Nothing,
    /// Not made yet, or with what the server answered; by which incarnation.
    Change(Incarnation, Difference, Option<Answer>),
    Sets(SetsVersion, RoomSets),
    Beats(Option<Vec<(Incarnation, Beat)>>),
}

/// What a change is answered: nothing when who asked is dead.
pub(super) type Answer = Option<Option<SetsVersion>>;

#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) me: Incarnation,
    pub(super) leases: Leases,
    pub(super) roster: Roster,
    pub(super) wanted: Wanted,
    /// What the pump was not told yet.
    pub(super) pending: BTreeMap<RoomId, HashMap<Username, bool>>,
    /// Until when a memory that began anew may lack something.
    pub(super) unsettled: Option<Instant>,
    /// Whether it beat in this step.
    pub(super) beaten: bool,
    /// Whether it ever stood still.
    pub(super) stood: bool,
    /// What waits, if it stands still.
    pub(super) held: Option<Held>,
    /// The last bell that is under way to it.
    pub(super) bell: Option<(Incarnation, SetChange)>,
}

impl Node {
    pub(super) fn new(me: Incarnation) -> Self {
        Self {
            me,
            leases: Leases::default(),
            roster: Roster::default(),
            wanted: Wanted::new(me),
            pending: BTreeMap::new(),
            unsettled: None,
            beaten: false,
            stood: false,
            held: None,
            bell: None,
        }
    }

    /// Takes the other nodes' beats; `heartbeat::beat`.
    pub(super) fn observe(&mut self, now: Instant, beats: &[(Incarnation, Beat)]) {
        self.leases.observe(now, beats);
    }

    /// `Conductor::sets`, and what the pump does before.
    pub(super) fn take_sets(&mut self, now: Instant, broken: Broken, known: SetsVersion, sets: &RoomSets) {
        for (who, _) in sets.sets.iter().filter(|(who, _)| *who != self.me) {
            self.leases.met(now, *who);
        }
        self.wanted.compare(ROOM, sets);
        let reading = Reading::of(sets.version, known, false);
        if reading != Reading::BegunAnew && self.roster.is_beyond(sets.version) {
            return;
        }
        if reading == Reading::BegunAnew {
            self.unsettled = Some(now + LEASE);
        }
        let (leases, keep) = (&self.leases, self.unsettled.is_some());
        let is_dead = |who| broken != Broken::TheDeadAreHeard && leases.is_dead(who);
        self.roster.replace(sets, keep, self.me, is_dead);
        self.roster.flush();
    }

    /// `Conductor::hear_change`. That something was missed is found by the next reading.
    pub(super) fn hear(&mut self, broken: Broken) {
        let Some((from, change)) = self.bell.take() else { return };
        if from != self.me && (broken == Broken::TheDeadAreHeard || !self.leases.is_dead(from)) {
            self.roster.change(from, &change);
            self.roster.flush();
        }
    }

    /// `Room::settles`.
    pub(super) fn settle(&mut self, now: Instant) {
        if self.unsettled.take_if(|until| *until <= now).is_some() {
            self.roster.doubt();
        }
    }

    pub(super) fn shown(&self) -> BTreeSet<Username> {
        self.roster.list(None).cloned().collect()
    }

    /// What the pump would write next.
    pub(super) fn next_change(&mut self) -> Option<(Incarnation, Difference)> {
        self.wanted.belong_to(self.me);
        let pending = mem::take(&mut self.pending);
        let (_, mut change) = self.wanted.take(pending).next()?;
        change.joined.sort();
        change.left.sort();
        Some((self.wanted.me, change))
    }

    /// All that tells this state from others.
    pub(super) fn distinguish(&self, now: Instant, cluster: &Cluster, hasher: &mut Tape) {
        let known = cluster.behind(self.roster.sets_version());
        (self.me, self.beaten, self.stood, known).hash(hasher);
        self.unsettled.map(|until| until.saturating_duration_since(now)).hash(hasher);
        self.leases.distinguish(now, |who, beat| cluster.lag(who, beat), hasher);
        self.roster.distinguish(hasher);
        self.wanted.distinguish(hasher);
        let mut pending: Vec<_> = self.pending.values().flatten().collect();
        pending.sort();
        pending.hash(hasher);
        self.bell.is_some().hash(hasher);
        if let Some((from, change)) = &self.bell {
            (from, cluster.behind(change.version), &change.joined, &change.left).hash(hasher);
        }
        match &self.held {
            None => 0.hash(hasher),
            Some(Held::Nothing) => 1.hash(hasher),
            Some(Held::Change(me, change, answer)) => {
                let answer = answer.map(|answer| answer.map(|version| version.map(|it| cluster.behind(it))));
                (2, me, &change.joined, &change.left, answer).hash(hasher);
            }
            Some(Held::Sets(known, sets)) => {
                (3, cluster.behind(*known), cluster.behind(sets.version), &sets.sets).hash(hasher);
            }
            Some(Held::Beats(beats)) => {
                4.hash(hasher);
                for (who, beat) in beats.iter().flatten() {
                    (who, cluster.lag(*who, *beat)).hash(hasher);
                }
            }
        }
    }
}
