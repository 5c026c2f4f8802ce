//! Resident memory of the node per connection: when everybody is signed in, when everybody is in
//! the lobby and has been pinged, and after everybody has once sent the largest frame; and what is
//! left of it when all have gone. Fifteen thousand people, not one with fifteen thousand sockets.

use std::{sync::Arc, time::Duration};

use tokio::{
    runtime::Runtime,
    sync::{Semaphore, mpsc, watch},
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    LIMIT, Outcome,
    client::Socket,
    node::Node,
    report::{Table, step},
    town::Town,
};

const SOCKETS: usize = 15_000;
/// Clients that do the same thing at the same time.
const TOGETHER: usize = 64;
/// How often the node pings here, so that every socket has been pinged before memory is read.
const PING: &str = "3";
/// Longer than a ping and its answer take.
const QUIET: Duration = Duration::from_secs(7);
/// Longer than a node waits before it gives memory back.
const EBB: Duration = Duration::from_secs(20);
const MIB: f64 = 1024.0 * 1024.0;
/// Payload of the largest frame a client may send.
const LARGEST: usize = 16 * 1024;

pub(crate) fn run(runtime: &Runtime, table: &mut Table) -> Outcome {
    let town = Arc::new(Town::of(runtime, SOCKETS)?);
    let node = town.node(&[("PING_SECONDS", PING)])?;
    let (figures, left) = runtime.block_on(measure(&town, &node))?;
    for ((what, target), figure) in [
        ("signed in", ""),
        ("in the lobby", "≤ 4 KiB"),
        ("after the largest frame", "≤ 4 KiB"),
    ]
    .into_iter()
    .zip(figures)
    {
        let what = format!("memory per connection of {SOCKETS}, {what}");
        table.alone(&what, (figure / 1024.0, "KiB"), target);
    }
    let what = format!("memory when all {SOCKETS} have gone, more than before they came");
    table.alone(&what, (left / MIB, "MiB"), "");
    Ok(())
}

/// What all clients are at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Open,
    Join,
    Largest,
}

/// The clients as their conductor sees them.
struct Crowd {
    stage: watch::Sender<Stage>,
    done: mpsc::Receiver<Outcome>,
}

/// Bytes per connection at each stage, and bytes in all when they have gone.
async fn measure(town: &Arc<Town>, node: &Node) -> Outcome<([f64; 3], f64)> {
    sleep(Duration::from_secs(1)).await;
    let before = node.process.rss()?;
    let (stage, watched) = watch::channel(Stage::Open);
    let (done, hears) = mpsc::channel(SOCKETS);
    let places = Arc::new(Semaphore::new(TOGETHER));
    let mut clients = JoinSet::new();
    for person in 0..SOCKETS {
        let client = Client {
            town: town.clone(),
            person,
            watched: watched.clone(),
            places: places.clone(),
            done: done.clone(),
        };
        clients.spawn(client.live(node.address));
    }
    let mut crowd = Crowd { stage, done: hears };
    let mut figures = [0.0; 3];
    for (stage, figure) in [Stage::Open, Stage::Join, Stage::Largest].into_iter().zip(&mut figures) {
        crowd.reach(stage).await?;
        sleep(QUIET).await;
        let now = node.process.rss()?;
        step(&format!("{stage:?}: from {:.1} to {:.1} MiB", before / MIB, now / MIB));
        *figure = (now - before) / SOCKETS as f64;
    }
    clients.shutdown().await;
    sleep(EBB).await;
    let left = node.process.rss()?;
    step(&format!("all gone: {:.1} MiB", left / MIB));
    Ok((figures, left - before))
}

impl Crowd {
    /// Returns when all have done it.
    async fn reach(&mut self, stage: Stage) -> Outcome {
        self.stage.send_if_modified(|now| std::mem::replace(now, stage) != stage);
        for _ in 0..SOCKETS {
            timeout(LIMIT, self.done.recv()).await?.ok_or("the clients are gone")??;
        }
        Ok(())
    }
}

struct Client {
    town: Arc<Town>,
    person: usize,
    watched: watch::Receiver<Stage>,
    places: Arc<Semaphore>,
    done: mpsc::Sender<Outcome>,
}

impl Client {
    async fn live(mut self, node: std::net::SocketAddr) {
        if let Err(error) = self.stages(node).await {
            let _ = self.done.send(Err(error)).await;
        }
    }

    async fn stages(&mut self, node: std::net::SocketAddr) -> Outcome {
        let place = self.places.acquire().await?;
        let mut socket = Socket::open(node, &self.town.credential(self.person)).await?;
        drop(place);
        let largest = largest();
        loop {
            self.done.send(Ok(())).await?;
            self.listen_until_told(&mut socket).await?;
            let (text, answer) = match *self.watched.borrow_and_update() {
                Stage::Open | Stage::Join => (JOIN, "joined"),
                Stage::Largest => (largest.as_str(), "error"),
            };
            // Those that wait for their turn must go on reading.
            let place = loop {
                tokio::select! {
                    place = self.places.acquire() => break place?,
                    frame = socket.next() => drop(frame?),
                }
            };
            socket.send(text).await?;
            socket.expect(answer).await?;
            drop(place);
        }
    }

    /// Reads whatever comes, and answers pings, until the next stage.
    async fn listen_until_told(&mut self, socket: &mut Socket) -> Outcome {
        loop {
            tokio::select! {
                told = self.watched.changed() => return Ok(told?),
                frame = socket.next() => drop(frame?),
            }
        }
    }
}

/// Comes into the lobby.
const JOIN: &str = r#"{"type":"join","room":"lobby"}"#;

/// A frame as large as any client may send, which is refused and so costs the others nothing.
fn largest() -> String {
    let frame = r#"{"type":"message","room":"elsewhere","id":"1","message":""}"#;
    let text = "x".repeat(LARGEST - frame.len());
    frame.replace(r#":""}"#, &format!(r#":"{text}"}}"#))
}
