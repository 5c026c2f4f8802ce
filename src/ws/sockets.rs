//! All sockets of this node, and their pulse: who is silent is asked, who stays silent is cut.
//!
//! One task looks at everybody once a second, so that a connection needs no timer of its own. It
//! also cuts closing sockets whose peer does not finish, and reports what is queued. Draining
//! walks over the same register.

mod census;
#[cfg(test)]
mod hall;
mod register;
mod search;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::{
    runtime::Handle,
    time::{Instant, MissedTickBehavior, interval, sleep},
};

use self::register::Register;
pub use self::{
    census::{Card, Mover},
    search::{Seen, Sought},
};
use super::moves::Moves;
use crate::{
    domain::SignInId,
    hub::{Member, MemberId, frame},
    protocol::{Dialect, v1},
    shutdown::Tasks,
};

/// How long a socket may take to finish closing, in seconds.
const LINGER: u32 = 5;
/// Sockets looked at before other tasks have their turn.
const SLICE: usize = 256;

/// What a node decides about its sockets.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// A socket silent for so long is pinged, one silent for twice as long is cut. Whole seconds.
    pub ping: Duration,
    /// Most bytes that may wait for one socket.
    pub outbox_bytes: usize,
}

/// The register of this node's sockets. Clones are handles.
#[derive(Debug, Clone)]
pub struct Sockets {
    register: Arc<Mutex<Register>>,
    settings: Settings,
    moves: Arc<Moves>,
    tasks: Tasks,
    home: Handle,
}

#[derive(Debug)]
struct Entry {
    member: Arc<Member>,
    card: Card,
    since: Instant,
    /// Seconds since anything was heard.
    silent: u32,
    /// Seconds since it began to close.
    closing: u32,
}

/// What the pulse does to a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beat {
    Rest,
    Ping,
    Cut,
}

impl Sockets {
    /// An empty register. When `tasks` are told to stop, all sockets are closed with 1001.
    pub fn start(tasks: &Tasks, settings: Settings) -> Self {
        let sockets = Self {
            register: Arc::default(),
            settings,
            moves: Arc::default(),
            tasks: tasks.clone(),
            home: Handle::current(),
        };
        tasks.spawn("pulse", sockets.clone().pulse());
        sockets
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.register.lock().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.register.lock().is_empty()
    }

    /// Sends every client away, spread over `window`: v1 clients are told when to reconnect
    /// elsewhere and are served until then; seed clients, which know no such hint, are closed when
    /// their time comes. At the end all that are left are closed with 1001.
    ///
    /// New sockets must be refused before. Answers early when all have left.
    pub async fn drain(&self, window: Duration) {
        let start = Instant::now();
        let mut seeds = self.hint(window).await.into_iter().peekable();
        while start.elapsed() < window && !self.is_empty() {
            sleep(Duration::from_millis(50).min(window)).await;
            while let Some((_, member)) = seeds.next_if(|(due, _)| *due <= start.elapsed()) {
                member.close(1001, "going away");
            }
        }
        self.close_all(1001, "going away").await;
    }

    /// Closes every socket with this code.
    pub async fn close_all(&self, code: u16, reason: &'static str) {
        for slice in self.members().chunks(SLICE) {
            for member in slice {
                member.close(code, reason);
            }
            tokio::task::yield_now().await;
        }
    }

    /// Gives up every socket that is left, closed or not; answers how many there were.
    pub fn cut_all(&self) -> usize {
        let members = self.members();
        for member in &members {
            member.kill();
        }
        members.len()
    }

    /// Tells v1 clients their moment; answers the seed clients with theirs.
    async fn hint(&self, window: Duration) -> Vec<(Duration, Arc<Member>)> {
        let members = self.members();
        let count = u32::try_from(members.len()).unwrap_or(u32::MAX).max(1);
        let mut seeds = Vec::new();
        for (index, member) in (0u32..).zip(members) {
            let due = window / count * index;
            match member.dialect() {
                Dialect::Seed => seeds.push((due, member)),
                Dialect::V1 => {
                    let after_ms = u64::try_from(due.as_millis()).unwrap_or(u64::MAX);
                    member.send(frame::text(&v1::reconnect(after_ms)));
                }
            }
            if index as usize % SLICE == SLICE - 1 {
                tokio::task::yield_now().await;
            }
        }
        seeds
    }

    fn members(&self) -> Vec<Arc<Member>> {
        self.register.lock().members()
    }

    /// Who was asked to go elsewhere.
    pub const fn moves(&self) -> &Arc<Moves> {
        &self.moves
    }

    /// Whether a socket of this sign-in that comes now is to go elsewhere.
    pub(super) fn sends_on(&self, sid: SignInId) -> bool {
        self.moves.sends_on(std::time::Instant::now(), sid, self.len() as u64)
    }

    pub(super) const fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) const fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    /// The runtime that they live in, wherever they come in.
    pub(super) const fn home(&self) -> &Handle {
        &self.home
    }

    /// Adds a socket for as long as the answer is kept.
    pub(super) fn enter(&self, member: &Arc<Member>, card: Card) -> Entered {
        let entry = Entry {
            member: member.clone(),
            card,
            since: Instant::now(),
            silent: 0,
            closing: 0,
        };
        self.register.lock().insert(member.id(), entry);
        gauge(member.dialect()).increment(1.0);
        Entered {
            register: self.register.clone(),
            id: member.id(),
            dialect: member.dialect(),
        }
    }

    async fn pulse(self) {
        let mut second = interval(Duration::from_secs(1));
        second.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stopping = false;
        loop {
            tokio::select! {
                _ = second.tick() => {}
                () = self.tasks.stopped().cancelled(), if !stopping => stopping = true,
                () = self.all_gone(), if stopping => return,
            }
            if stopping {
                self.close_all(1001, "going away").await;
            }
            self.beat().await;
        }
    }

    /// Looks more often than the pulse beats: a stop must not wait for the next second.
    async fn all_gone(&self) {
        while !self.is_empty() {
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Looks at everybody once.
    async fn beat(&self) {
        let ping = u32::try_from(self.settings.ping.as_secs()).unwrap_or(u32::MAX).max(1);
        let (mut after, mut queued) = (None, 0);
        loop {
            // What must be sent is sent after the lock is free: a ping is a system call.
            let mut due = Vec::new();
            let mut last = None;
            for (id, entry) in self.register.lock().after(after).take(SLICE) {
                last = Some(id);
                queued += entry.member.queued();
                let (heard, open) = (entry.member.take_heard(), entry.member.is_open());
                match entry.beat(heard, open, ping) {
                    Beat::Rest => {}
                    beat => due.push((beat, entry.member.clone())),
                }
            }
            for (beat, member) in due {
                act(beat, &member);
            }
            let Some(last) = last else { break };
            after = Some(last);
            tokio::task::yield_now().await;
        }
        #[expect(clippy::cast_precision_loss, reason = "a gauge; exact up to 2^53 bytes")]
        metrics::gauge!("chorus_outbox_queued_bytes").set(queued as f64);
    }
}

impl Entry {
    /// One second has passed.
    const fn beat(&mut self, heard: bool, open: bool, ping: u32) -> Beat {
        if !open {
            self.closing += 1;
            return if self.closing > LINGER { Beat::Cut } else { Beat::Rest };
        }
        self.silent = if heard { 0 } else { self.silent + 1 };
        if self.silent >= ping.saturating_mul(2) {
            Beat::Cut
        } else if self.silent == ping {
            Beat::Ping
        } else {
            Beat::Rest
        }
    }
}

fn act(beat: Beat, member: &Member) {
    static PING: Bytes = frame::ping();
    match beat {
        Beat::Rest => {}
        Beat::Ping => member.send(PING.clone()),
        Beat::Cut => member.kill(),
    }
}

/// Nobody is there yet.
pub(super) fn count_from_zero() {
    gauge(Dialect::V1).set(0.0);
    gauge(Dialect::Seed).set(0.0);
    metrics::gauge!("chorus_outbox_queued_bytes").set(0.0);
}

fn gauge(dialect: Dialect) -> metrics::Gauge {
    metrics::gauge!("chorus_sockets", "dialect" => dialect.as_str())
}

/// A socket's place in the register; it is left when this is dropped.
#[derive(Debug)]
pub(super) struct Entered {
    register: Arc<Mutex<Register>>,
    id: MemberId,
    dialect: Dialect,
}

impl Drop for Entered {
    fn drop(&mut self) {
        // The member is dropped after the lock is free.
        let entry = self.register.lock().remove(self.id);
        gauge(self.dialect).decrement(1.0);
        drop(entry);
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::domain::{SignInId, Username};

    async fn entry() -> (Entry, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let member = Arc::new(Member::new(stream, 1, Dialect::V1, 1024));
        let card = Card {
            username: Username::from_store("alice"),
            sid: SignInId::random(),
            address: IpAddr::from([127, 0, 0, 1]),
        };
        let since = Instant::now();
        (Entry { member, card, since, silent: 0, closing: 0 }, client)
    }

    #[tokio::test]
    async fn silence_is_asked_once_and_then_cut() {
        let (mut entry, _client) = entry().await;
        let beats: Vec<_> = (0..50).map(|_| entry.beat(false, true, 25)).collect();
        let at = |beat| beats.iter().position(|it| *it == beat);
        assert_eq!((at(Beat::Ping), at(Beat::Cut)), (Some(24), Some(49)));
        assert_eq!(beats.iter().filter(|beat| **beat == Beat::Ping).count(), 1);
    }

    #[tokio::test]
    async fn any_sound_resets_the_silence_and_closing_has_its_own_limit() {
        let (mut entry, _client) = entry().await;
        for second in 0..200 {
            assert_ne!(entry.beat(second % 30 == 0, true, 25), Beat::Cut);
        }
        let beats: Vec<_> = (0..6).map(|_| entry.beat(true, false, 25)).collect();
        assert_eq!(beats.iter().position(|beat| *beat == Beat::Cut), Some(5));
    }
}
