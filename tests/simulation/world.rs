//! One run: nodes, clients, and what befalls them, all on one thread and by a clock that stands still while
//! anybody has anything to do.
//!
//! First everything that the plan allows goes wrong, while each client believes nothing that the log does not
//! hold. Then it becomes calm, and within [`SETTLES`] everybody must have been told everything and see the same
//! people, and go on so, in some runs for longer than a lease.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use chorus::{
    cluster::{Incarnation, local::LocalCluster},
    domain::RoomName,
    shutdown::Tasks,
};
use tokio::time::{Instant, sleep};

use crate::{
    client::{Client, room_name},
    dice::{Dice, Trace},
    log::SharedLog,
    node::{Ground, Process},
    plan::{Fault, Plan},
};

/// How often the world acts and the clients look, in ms.
const STEP: u64 = 50;
/// How long it may take after that until all is well, in ms: a lease of 6 s, in which nobody could be observed for
/// 3 s, the looks and beats of a second each in between, the grace, and a little for the calls.
pub(crate) const SETTLES: u64 = 14_000;
/// How long a node that drains goes on after its sets were withdrawn, in ms.
const DRAINS: u64 = 600;

/// What came of a run.
pub(crate) struct Outcome {
    /// The broken promise, if one was.
    pub wrong: Option<String>,
    pub trace: Vec<String>,
    /// Of all that happened; the same for the same seed.
    pub print: u64,
    pub counts: Counts,
}

/// How much happened, so that it can be seen that it did.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counts {
    pub faults: Vec<Fault>,
    /// Nodes that were declared dead and came back as another incarnation.
    pub reborn: usize,
    pub messages: u64,
    /// How long it took until all was well, in ms.
    pub settled: u64,
}

/// Runs a plan to its end.
pub(crate) fn run(plan: Plan) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut world = World::new(plan);
        let wrong = world.live().await.err();
        world.counts.messages = (0..world.plan.rooms).map(|room| world.ground.log.end(room)).sum();
        Outcome {
            wrong,
            trace: world.trace.lines(),
            print: world.trace.print(),
            counts: world.counts,
        }
    })
}

/// Where a node runs.
#[derive(Default)]
struct Place {
    runs: u64,
    process: Option<Process>,
    born: Option<Incarnation>,
    /// Until when it stands still, is cut off, is away; when it is gone because it drains.
    stalled: Option<u64>,
    cut: Option<u64>,
    away: Option<u64>,
    drained: Option<u64>,
}

struct World {
    plan: Plan,
    dice: Dice,
    began: Instant,
    trace: Trace,
    ground: Ground,
    cluster: LocalCluster,
    places: Vec<Place>,
    clients: Vec<Client>,
    counts: Counts,
}

impl World {
    fn new(mut plan: Plan) -> Self {
        let (mut dice, trace, servers) = (plan.dice.apart(), Trace::begin(), Tasks::new());
        trace.note(format!("{plan:?}"));
        let rooms: Vec<RoomName> =
            (0..plan.rooms).map(|room| RoomName::parse(&room_name(room)).unwrap()).collect();
        let ground = Ground {
            log: SharedLog::new(rooms.clone(), plan.broken, trace.clone()),
            weather: Arc::new(plan.weather()),
            broken: plan.broken,
            servers: servers.clone(),
            rooms,
        };
        let user = |client: usize| i64::try_from(client % plan.people).unwrap() + 1;
        let clients = (0..plan.tabs).map(|client| Client::new(client, user(client), plan.rooms)).collect();
        let starts = |_| Place { away: Some(dice.throw() % 400), ..Place::default() };
        let places = (0..plan.nodes).map(starts).collect();
        Self {
            began: Instant::now(),
            cluster: LocalCluster::with_faults(servers, plan.bells),
            places,
            clients,
            counts: Counts::default(),
            dice,
            trace,
            ground,
            plan,
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap()
    }

    async fn live(&mut self) -> Result<(), String> {
        while self.now() < self.plan.troubles {
            self.befall();
            self.pass();
            self.behave();
            self.step().await?;
        }
        self.become_calm();
        self.settle().await
    }

    /// All becomes well, in time, and stays so. (For a moment it may look well before what was under way is told.)
    async fn settle(&mut self) -> Result<(), String> {
        let calm = self.now();
        let mut well = None;
        while well.is_none_or(|since| self.now() < since + self.plan.stays) {
            self.pass();
            self.step().await?;
            match self.unsettled() {
                Some(waits) if self.now() > calm + SETTLES => {
                    return Err(format!("{} ms after all was calm {waits}", self.now() - calm));
                }
                Some(_) => well = None,
                None => well = well.or(Some(self.now())),
            }
        }
        self.counts.settled = well.unwrap_or_default() - calm;
        Ok(())
    }

    /// Clients act, time passes, clients look.
    async fn step(&mut self) -> Result<(), String> {
        let now = self.now();
        for at in 0..self.clients.len() {
            if self.clients[at].comes_back.is_some_and(|back| back <= now) {
                self.connect(at);
            }
            self.clients[at].act(now);
        }
        sleep(Duration::from_millis(STEP)).await;
        let now = self.now();
        for client in &mut self.clients {
            client.listen(now, &self.ground.log)?;
        }
        Ok(())
    }

    fn connect(&mut self, at: usize) {
        let open: Vec<usize> = (0..self.places.len())
            .filter(|node| self.places[*node].process.is_some() && self.places[*node].drained.is_none())
            .collect();
        if open.is_empty() {
            return;
        }
        let node = *self.dice.pick(&open);
        if let Some(process) = &self.places[node].process {
            self.trace.note(format!("client {at} connects to node {node}"));
            self.clients[at].connect(node, process, &self.trace);
        }
    }

    /// Perhaps something goes wrong now.
    fn befall(&mut self) {
        if self.plan.faults.is_empty() || !self.dice.chance(self.plan.trouble) {
            return;
        }
        let fault = *self.dice.pick(&self.plan.faults);
        let (node, now) = (self.dice.below(self.places.len()), self.now());
        let until = now + self.length();
        let place = &mut self.places[node];
        let Some(process) =
            place.process.as_ref().filter(|_| place.stalled.is_none() && place.drained.is_none())
        else {
            return;
        };
        match fault {
            Fault::Killed => {
                process.gate.kill();
                place.process = None;
                place.away = Some(until);
            }
            Fault::Stalled => {
                process.gate.close();
                place.stalled = Some(until);
            }
            Fault::Cut => {
                process.ear.cut(true);
                place.cut = Some(until);
            }
            Fault::Drained => place.drained = Some(now + DRAINS),
            Fault::MemoryLost => self.cluster.forget(),
        }
        self.trace.note(format!("{fault:?}: node {node}, until {until}"));
        self.counts.faults.push(fault);
        if fault == Fault::Drained {
            self.drain(node);
        }
    }

    /// A blink, some seconds, or longer than a lease.
    fn length(&mut self) -> u64 {
        let (from, to) = *self.dice.pick(&[(20, 900), (1000, 5000), (6000, 11_000)]);
        u64::try_from(self.dice.ms(from, to).as_millis()).unwrap()
    }

    /// Its clients go elsewhere first, then its sets are withdrawn.
    fn drain(&mut self, node: usize) {
        let now = self.now();
        for client in self.clients.iter_mut().filter(|client| client.node() == Some(node)) {
            client.disconnect(Some(now));
        }
        if let Some(process) = &self.places[node].process {
            process.withdraw();
        }
    }

    /// What ends by itself ends.
    fn pass(&mut self) {
        let now = self.now();
        let is_over = |at: &mut Option<u64>| at.take_if(|at| *at <= now).is_some();
        for node in 0..self.places.len() {
            let place = &mut self.places[node];
            self.counts.reborn += usize::from(place.notice_rebirth());
            if is_over(&mut place.drained)
                && let Some(process) = place.process.take()
            {
                process.gate.kill();
                place.away = Some(now + 300);
            }
            if is_over(&mut place.stalled)
                && let Some(process) = &place.process
            {
                self.trace.note(format!("node {node} goes on"));
                process.gate.open();
            }
            if is_over(&mut place.cut)
                && let Some(process) = &place.process
            {
                self.trace.note(format!("node {node} is in reach again"));
                process.ear.cut(false);
            }
            if is_over(&mut place.away) {
                self.start(node);
            }
        }
    }

    fn start(&mut self, node: usize) {
        self.trace.note(format!("node {node} starts"));
        let place = &mut self.places[node];
        place.runs += 1;
        place.cut = None;
        let process =
            Process::start(&self.ground, self.cluster.node(), (node, place.runs), self.dice.apart());
        place.born = Some(process.me());
        place.process = Some(process);
    }

    /// Clients do something, or not.
    fn behave(&mut self) {
        let now = self.now();
        for at in 0..self.clients.len() {
            let room = self.dice.below(self.plan.rooms);
            let (deed, later) = (self.dice.below(1000), now + self.length());
            let client = &mut self.clients[at];
            match deed {
                0..50 => client.seats[room].wanted = true,
                50..115 => client.say(room, now),
                115..125 => client.repeats(usize::try_from(later).unwrap()),
                125..132 if client.seats[room].live => {
                    self.trace.note(format!("client {at} leaves room {room}"));
                    client.leave(room);
                }
                132..140 if client.node().is_some() => {
                    self.trace.note(format!("client {at} is gone"));
                    client.disconnect(Some(if deed < 135 { later } else { now }));
                }
                _ => {}
            }
        }
    }

    /// Nothing goes wrong any more, and whoever is away now stays away.
    fn become_calm(&mut self) {
        self.trace.note("it becomes calm");
        self.ground.weather.becomes_calm();
        for place in &mut self.places {
            for end in [
                &mut place.stalled,
                &mut place.cut,
                &mut place.away,
                &mut place.drained,
            ] {
                *end = end.map(|_| 0);
            }
        }
        let now = self.now();
        for client in &mut self.clients {
            client.comes_back = client.comes_back.filter(|back| *back <= now + 1000);
        }
    }

    /// What is not as it should be in the end.
    fn unsettled(&self) -> Option<String> {
        let waiting = |client: &Client| {
            let number = client.number;
            if client.comes_back.is_some() {
                return Some(format!("client {number} is not connected yet"));
            }
            let (node, what) = (client.node()?, client.waits_for(&self.ground.log)?);
            Some(format!("client {number} on node {node} waits for {what}"))
        };
        self.clients
            .iter()
            .find_map(waiting)
            .or_else(|| (0..self.plan.rooms).find_map(|room| self.people(room)))
    }

    /// Who is shown somebody else than those who are here.
    fn people(&self, room: usize) -> Option<String> {
        let here = self.clients.iter().filter(|client| client.is_in(room));
        let names: BTreeSet<String> = here.clone().map(|client| format!("user{}", client.user)).collect();
        let wrong = here.into_iter().find(|client| client.seats[room].people != names)?;
        let (number, node) = (wrong.number, wrong.node());
        let shown = &wrong.seats[room].people;
        Some(format!(
            "client {number} on node {node:?} is shown {shown:?} in room {room}, not {names:?}"
        ))
    }
}

impl Place {
    /// Whether its process was declared dead and goes on as another incarnation.
    fn notice_rebirth(&mut self) -> bool {
        let me = self.process.as_ref().map(Process::me);
        let reborn = me.is_some() && me != self.born;
        self.born = me;
        reborn
    }
}
