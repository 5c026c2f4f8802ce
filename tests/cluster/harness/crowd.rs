//! The people of a test, together.

use std::{collections::BTreeSet, fmt, net::SocketAddr, time::Duration};

use super::{
    page::Page,
    person::{Order, Person, Plan, Progress},
    record::{Clock, Entry, Recording},
};
use crate::common::{LIMIT, within};

/// Everybody who was ever there, in the order they came.
pub struct Crowd {
    clock: Clock,
    nodes: Vec<SocketAddr>,
    pub people: Vec<Person>,
    pub pages: Vec<Page>,
    rooms: BTreeSet<String>,
}

impl Crowd {
    /// Nobody yet; they will go to these addresses.
    pub fn of(clock: Clock, nodes: &[SocketAddr]) -> Self {
        Self {
            clock,
            nodes: nodes.to_vec(),
            people: vec![],
            pages: vec![],
            rooms: BTreeSet::from(["lobby".to_owned()]),
        }
    }

    /// So many people come into the lobby, spread over the nodes; answers when all are there.
    pub async fn enter(&mut self, count: usize) {
        for number in 0..count {
            self.enter_as(Plan::of(&format!("person{number:03}"), &self.nodes, number));
        }
        self.all_here().await;
    }

    /// So many come into the lobby by this way and no other, one of them with a page of the predecessor;
    /// answers when all but that one are there.
    pub async fn enter_through(&mut self, way: SocketAddr, count: usize) {
        self.pages.push(Page::enter("edgepage", &[way], 0, self.clock));
        for number in 1..count {
            self.enter_as(Plan::of(&format!("edge{number}"), &[way], 0));
        }
        self.all_here().await;
    }

    /// Somebody comes as planned.
    pub fn enter_as(&mut self, plan: Plan) -> &Person {
        self.rooms.extend(plan.rooms.iter().cloned());
        self.people.push(Person::enter(plan, self.clock));
        self.people.last().expect("just pushed")
    }

    /// A page of the predecessor comes into the lobby.
    pub fn enter_page(&mut self, name: &str, first: usize) {
        self.pages.push(Page::enter(name, &self.nodes, first, self.clock));
    }

    pub async fn all_here(&self) {
        for person in &self.people {
            person.until("being there", |progress| progress.here).await;
        }
    }

    /// Everybody talks at this pace.
    pub async fn talk(&self, pace: Duration) {
        for person in &self.people {
            person.tell(Order::Talk(pace)).await;
        }
    }

    /// Waits until so many more messages have been acknowledged, all together.
    pub async fn acked(&self, more: usize) {
        self.acked_within(LIMIT, more).await;
    }

    /// The same, in this time; answers how long it took.
    pub async fn acked_within(&self, limit: Duration, more: usize) -> Duration {
        let so_far = self.acks();
        let enough = async || self.acks() >= so_far + more;
        within(limit, "the talk goes on", enough).await
    }

    /// Acknowledged until now.
    pub fn acks(&self) -> usize {
        self.people.iter().map(|person| person.progress().acked).sum()
    }

    /// Sockets that were opened until now.
    pub fn visits(&self) -> usize {
        self.people.iter().map(|person| person.progress().visits).sum()
    }

    /// The last number that anybody has seen in a room.
    pub fn seen(&self, room: &str) -> u64 {
        let seen = self.people.iter().map(|person| person.progress().seen.get(room).copied());
        seen.flatten().max().unwrap_or_default()
    }

    /// Waits until everybody who is not away has seen a room up to this number.
    pub async fn all_see(&self, room: &str, seq: u64) {
        for person in &self.people {
            let far = |progress: &Progress| progress.away || progress.seen.get(room) >= Some(&seq);
            person.until(&format!("message {seq}"), far).await;
        }
    }

    /// Nobody says anything new, and what those said who are not away is acknowledged.
    pub async fn fall_silent(&self) {
        for person in &self.people {
            person.tell(Order::Hush).await;
        }
        for person in &self.people {
            person
                .until("the last acknowledgement", |progress| progress.away || progress.unacked == 0)
                .await;
        }
    }

    /// The people's names.
    pub fn names(&self) -> Vec<String> {
        self.people.iter().map(|person| person.name.clone()).collect()
    }

    /// The people's names, and those of the pages.
    pub fn everybody(&self) -> Vec<String> {
        let pages = self.pages.iter().map(|page| page.name.clone());
        self.names().into_iter().chain(pages).collect()
    }

    /// All rooms that were planned for.
    pub fn rooms(&self) -> Vec<String> {
        self.rooms.iter().cloned().collect()
    }

    /// What it was like so far, in figures.
    pub fn figures(&self) -> Figures {
        let recordings = self.recordings();
        let absences: Vec<Duration> = recordings.iter().flat_map(Recording::absences).collect();
        Figures {
            people: recordings.len(),
            acked: recordings.iter().map(Recording::acks).sum(),
            reconnects: absences.len(),
            longest: absences.into_iter().max().unwrap_or_default(),
        }
    }

    /// What remains stands for what one of them had written down, from now on.
    pub fn forget(&self, recording: &Recording, remains: Vec<Entry>) {
        let people = self.people.iter().map(Person::recorder);
        let mut all = people.chain(self.pages.iter().map(Page::recorder));
        if let Some(recorder) = all.find(|of| of.look(|own| own.client == recording.client)) {
            recorder.forget(recording.entries.len(), remains);
        }
    }

    /// All that was written down so far.
    pub fn recordings(&self) -> Vec<Recording> {
        let people = self.people.iter().map(|person| person.recorder().so_far());
        let pages = self.pages.iter().map(|page| page.recorder().so_far());
        people.chain(pages).collect()
    }
}

/// What something was like for those who lived through it.
pub struct Figures {
    pub people: usize,
    /// Messages that were acknowledged.
    pub acked: usize,
    pub reconnects: usize,
    /// The longest that anybody was not in the lobby.
    pub longest: Duration,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { people, acked, reconnects, longest } = self;
        write!(
            f,
            "{acked} messages of {people} people acknowledged, {reconnects} reconnects, longest absence {longest:.0?}"
        )
    }
}
