//! Thousands of people's coming and going on all nodes, by a plan that a seed makes, with nodes
//! killed under them: at the end every node names exactly those who are connected, and goes on so.
//!
//! The plan does not depend on time or chance: a failure names its seed, and plays again with it
//! in [`SEED`].

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use futures_util::future::join_all;

use crate::{
    BEYOND_A_LEASE, NO_GHOSTS, NODES, all_the_while,
    common::eventually,
    guest::{Deed, Guest},
    harness::{
        line::Backoff,
        scene::{Cluster, Setup},
    },
};

const SEED: &str = "the eighth of October";
const PEOPLE: usize = 90;
/// Sockets opened in all.
const CONNECTS: usize = 2000;
/// How many people act at the same time.
const AT_ONCE: usize = 30;
/// Rounds that a killed node stays away.
const DOWN: usize = 3;
const GRACE: Duration = Duration::from_secs(1);
/// DESIGN: userLists are identical so soon after the last change of a set, which is the end of the
/// last grace time.
const AGREE: Duration = Duration::from_secs(1);
/// What a machine that does much else may add.
const BUSY: Duration = Duration::from_secs(5);
/// How long the churn may take on a slow machine.
const MOST: Duration = Duration::from_mins(3);

/// Everybody, and the plan as far as it is made.
struct Churn {
    chance: Backoff,
    guests: Vec<Guest>,
    /// The node that is away.
    down: Option<usize>,
}

impl Churn {
    /// A node that runs.
    fn node(&mut self) -> usize {
        let node = self.chance.below(NODES);
        if self.down == Some(node) { (node + 1) % NODES } else { node }
    }

    /// What the next one does; who is away can only come.
    fn deed(&mut self, is_here: bool) -> Deed {
        let to = self.node();
        match self.chance.below(100) {
            _ if !is_here => Deed::Come { to },
            0..55 => Deed::Reload { to },
            55..67 => Deed::Vanish,
            67..76 => Deed::Leave,
            76..96 => Deed::Close,
            _ => Deed::SignOut { through: to },
        }
    }

    /// Some of the people do something, at the same time.
    async fn round(&mut self, cluster: &Cluster) {
        let first = self.chance.below(PEOPLE);
        let deeds: Vec<Deed> = (0..AT_ONCE)
            .map(|number| {
                let is_here = self.guests[(first + number) % PEOPLE].is_here();
                self.deed(is_here)
            })
            .collect();
        self.guests.rotate_left(first);
        let addresses = cluster.addresses();
        let acting = self.guests.iter_mut().zip(deeds).map(|(guest, deed)| guest.does(deed, &addresses));
        join_all(acting).await;
        self.guests.rotate_right(first);
    }

    /// Kills a node, lets the others go on for a while, and starts it again.
    async fn kill(&mut self, cluster: &mut Cluster) {
        let node = self.chance.below(NODES);
        cluster.nodes[node].kill().await;
        for guest in &mut self.guests {
            guest.loses(node);
        }
        self.down = Some(node);
        for _ in 0..DOWN {
            self.round(cluster).await;
        }
        cluster.nodes[node].start().await;
        self.down = None;
    }

    fn connects(&self) -> usize {
        self.guests.iter().map(|guest| guest.connects).sum()
    }

    /// Who is connected, as they know it themselves.
    fn present(&self) -> BTreeSet<String> {
        self.guests
            .iter()
            .filter(|guest| guest.is_here())
            .map(|guest| guest.name.clone())
            .collect()
    }

    /// What is wrong with the nodes' lists, if anything.
    async fn wrong(&self, cluster: &Cluster) -> Option<String> {
        let present = self.present();
        let lists = cluster.lists("lobby").await;
        assert_eq!(lists.len(), NODES);
        lists.into_iter().find_map(|list| {
            let told: BTreeSet<String> = list.users.iter().cloned().collect();
            let wrong: Vec<_> = told.symmetric_difference(&present).collect();
            let twice = list.users.len() != told.len();
            (twice || !wrong.is_empty())
                .then(|| format!("seed {SEED:?}, {}: {wrong:?}, twice: {twice}", list.node))
        })
    }

    async fn agrees_until(&self, cluster: &Cluster, end: Instant) {
        eventually("all lists are the people who are there", async || {
            let wrong = self.wrong(cluster).await;
            let late = Instant::now().saturating_duration_since(end);
            assert!(wrong.is_none() || late.is_zero(), "{wrong:?} {late:?} too late");
            wrong.is_none()
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_thousands_of_connects_and_kills_every_list_is_who_is_there_and_stays_so() {
    let mut cluster = Setup::of(NODES)
        .with("PRESENCE_GRACE_SECONDS", &GRACE.as_secs().to_string())
        .start()
        .await;
    let mut churn = Churn {
        chance: Backoff::of(SEED),
        guests: (0..PEOPLE).map(Guest::of).collect(),
        down: None,
    };
    let began = Instant::now();
    let mut kills = [CONNECTS / 4, CONNECTS / 2].into_iter().peekable();
    let mut killed = began;
    while churn.connects() < CONNECTS {
        assert!(began.elapsed() < MOST, "seed {SEED:?}: {} connects only", churn.connects());
        churn.round(&cluster).await;
        let connects = churn.connects();
        if kills.next_if(|at| *at <= connects).is_some() {
            killed = Instant::now();
            churn.kill(&mut cluster).await;
        }
    }
    assert!(kills.next().is_none());
    let settled = Instant::now() + GRACE + AGREE + BUSY;
    churn.agrees_until(&cluster, settled.max(killed + NO_GHOSTS)).await;
    // Nobody is missed from a kill any more: now a change alone counts.
    churn.round(&cluster).await;
    churn.agrees_until(&cluster, Instant::now() + GRACE + AGREE + BUSY).await;
    let there = churn.present().len();
    assert!(there > 0 && there < PEOPLE, "{there} are there");
    all_the_while(BEYOND_A_LEASE, async || assert_eq!(churn.wrong(&cluster).await, None)).await;
}
