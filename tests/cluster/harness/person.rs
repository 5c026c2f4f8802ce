//! A person of the `v1` dialect: a task of its own that talks through anything and writes down all
//! of it.
//!
//! It signs in, joins its rooms, says things at a pace with ids of its own, and keeps what was not
//! acknowledged to say it again with the same id. When its socket is lost, or its node asks to be
//! left, it goes to the next address of its list, with full-jitter backoff, and resumes after the
//! last message it has. It never gives up and never panics on a lost connection; it stays until it
//! is told otherwise. Its memory is what it has written down.

mod visit;

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    time::Duration,
};

use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep, timeout},
};

use super::{
    beside,
    line::{self, Backoff, Credential, Refused, Socket},
    record::{Clock, Event, Recorder},
};
use crate::common::LIMIT;

/// Who comes, and where to.
#[derive(Debug, Clone)]
pub struct Plan {
    pub name: String,
    /// Which of the person's clients this is; each says things of its own.
    pub client: u32,
    /// Where it goes, in this order, beginning with `first`.
    pub nodes: Vec<SocketAddr>,
    pub first: usize,
    pub rooms: Vec<String>,
    /// How many messages may be unacknowledged before it waits with the next.
    pub ahead: usize,
    /// Its sockets are opened with tickets, as those of browsers are.
    pub tickets: bool,
}

impl Plan {
    /// Somebody in the lobby.
    pub fn of(name: &str, nodes: &[SocketAddr], first: usize) -> Self {
        Self {
            name: name.to_owned(),
            client: 1,
            nodes: nodes.to_vec(),
            first,
            rooms: vec!["lobby".to_owned()],
            ahead: 16,
            tickets: false,
        }
    }
}

/// What a test tells a person to do.
#[derive(Debug, Clone)]
pub enum Order {
    /// Say something new at this pace, in each room in turn.
    Talk(Duration),
    /// Say nothing new.
    Hush,
    /// Say this.
    Say { room: String, text: String },
    /// Close the socket and come back at once, as a page reload does; to this place of the list.
    Reload(Option<usize>),
    /// End the sign-in; come back never, or with a new one on [`Order::Return`].
    SignOut,
    /// Close the socket and stay away.
    Leave,
    /// Come back.
    Return,
}

/// How far a person has come.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// In all of its rooms, with all of the history.
    pub here: bool,
    /// Told to stay away, or signed out: it neither says nor hears anything.
    pub away: bool,
    pub unacked: usize,
    pub acked: usize,
    /// Sockets that were opened.
    pub visits: usize,
    /// The last number seen, by room.
    pub seen: HashMap<String, u64>,
}

/// A person of the test.
pub struct Person {
    pub name: String,
    orders: mpsc::Sender<Order>,
    progress: watch::Receiver<Progress>,
    recorder: Recorder,
}

impl Person {
    /// Begins to come in; nothing is awaited.
    pub fn enter(plan: Plan, clock: Clock) -> Self {
        let client = match plan.client {
            1 => plan.name.clone(),
            more => format!("{}-{more}", plan.name),
        };
        let recorder = Recorder::new(clock, &plan.name, &client);
        let (orders, told) = mpsc::channel(16);
        let (report, progress) = watch::channel(Progress::default());
        let name = plan.name.clone();
        let life = Life {
            backoff: Backoff::of(&client),
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            node: plan.first,
            plan,
            client,
            orders: told,
            report,
            recorder: recorder.clone(),
            token: None,
            away: false,
            positions: HashMap::new(),
            unacked: VecDeque::new(),
            next: 0,
            pace: None,
        };
        beside(life.run());
        Self { name, orders, progress, recorder }
    }

    /// Tells it something; it does so as soon as it can.
    pub async fn tell(&self, order: Order) {
        let told = timeout(LIMIT, self.orders.send(order)).await.expect("it listens");
        assert!(told.is_ok(), "{} has ended: {:?}", self.name, self.progress());
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        self.progress.borrow().clone()
    }

    /// Waits until it is so far.
    pub async fn until(&self, what: &str, far: impl FnMut(&Progress) -> bool) {
        assert!(
            self.comes_to(LIMIT, far).await,
            "{} does not come to {what}: {:?}",
            self.name,
            self.progress()
        );
    }

    /// Whether it comes so far in time.
    pub async fn comes_to(&self, limit: Duration, far: impl FnMut(&Progress) -> bool) -> bool {
        let mut progress = self.progress.clone();
        let come = timeout(limit, progress.wait_for(far)).await;
        matches!(come, Ok(Ok(_)))
    }

    /// What it has written down so far.
    pub const fn recorder(&self) -> &Recorder {
        &self.recorder
    }
}

/// Something said that was not acknowledged yet.
#[derive(Debug, Clone)]
struct Pending {
    room: String,
    id: String,
    text: String,
    /// When it is to be said again.
    again: Option<Instant>,
}

/// The person's own state, which outlives its sockets.
struct Life {
    plan: Plan,
    client: String,
    http: reqwest::Client,
    orders: mpsc::Receiver<Order>,
    report: watch::Sender<Progress>,
    recorder: Recorder,
    backoff: Backoff,
    /// Where of the list it is.
    node: usize,
    token: Option<String>,
    /// It was told to stay away.
    away: bool,
    /// The last message seen, by room: its number and id.
    positions: HashMap<String, (u64, String)>,
    unacked: VecDeque<Pending>,
    next: u64,
    pace: Option<Duration>,
}

/// Why a visit ended.
enum Ended {
    /// It goes on elsewhere, at once.
    Moved,
    /// The socket is lost, or never opened.
    Lost,
    /// The test is over.
    Over,
}

impl Life {
    async fn run(mut self) {
        loop {
            self.report.send_modify(|progress| progress.away = self.away);
            if self.away {
                match self.orders.recv().await {
                    Some(order) => self.obey_outside(order),
                    None => return,
                }
                continue;
            }
            match self.come_and_stay().await {
                Ended::Over => return,
                Ended::Moved => {}
                Ended::Lost => {
                    self.node += 1;
                    sleep(self.backoff.wait()).await;
                }
            }
        }
    }

    fn address(&self) -> SocketAddr {
        self.plan.nodes[self.node % self.plan.nodes.len()]
    }

    /// An order that came while there is no socket.
    fn obey_outside(&mut self, order: Order) {
        match order {
            Order::Talk(pace) => self.pace = Some(pace),
            Order::Hush => self.pace = None,
            Order::Say { room, text } => self.put(room, text),
            Order::Reload(to) => self.node = to.unwrap_or(self.node),
            Order::SignOut => self.token = None,
            Order::Leave => self.away = true,
            Order::Return => self.away = false,
        }
    }

    /// Something new to say.
    fn put(&mut self, room: String, text: String) {
        let id = format!("{}-{}", self.client, self.next);
        self.next += 1;
        self.unacked.push_back(Pending { room, id, text, again: None });
        self.report.send_modify(|progress| progress.unacked += 1);
    }

    async fn come_and_stay(&mut self) -> Ended {
        while let Ok(order) = self.orders.try_recv() {
            self.obey_outside(order);
        }
        if self.away {
            return Ended::Moved;
        }
        let node = self.address();
        let Some(token) = self.credential(node).await else { return Ended::Lost };
        match self.open(node, &token).await {
            Ok(socket) => {
                self.recorder.note(Event::Connected { node: node.to_string() });
                let ended = visit::Visit::of(self, socket).stay().await;
                self.report.send_modify(|progress| progress.here = false);
                ended
            }
            Err(Refused::SignIn) => {
                self.token = None;
                Ended::Lost
            }
            Err(Refused::Other(_)) => Ended::Lost,
        }
    }

    async fn open(&self, node: SocketAddr, token: &str) -> Result<Socket, Refused> {
        if !self.plan.tickets {
            return line::open(node, Credential::Token(token)).await;
        }
        let ticket = line::ticket(&self.http, node, token).await?;
        line::open(node, Credential::Ticket(&ticket)).await
    }

    async fn credential(&mut self, node: SocketAddr) -> Option<String> {
        if self.token.is_none() {
            self.token = line::sign_in(&self.http, node, &self.plan.name).await.ok();
            if self.token.is_some() {
                self.recorder.note(Event::SignedIn);
            }
        }
        self.token.clone()
    }
}
