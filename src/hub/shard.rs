//! One thread that owns some rooms: it takes commands in order and serves its rooms in turn.
//!
//! A slice is 64 members of one room, or as many as a quarter of a millisecond is enough for, and at most eight more:
//! eight frames in one write take 20 to 50 µs, and 64 such writes would be up to 3 ms. (In a small program slices of 64
//! kept the p99 of a room of 10 at 1.5 ms while a room of 5,000 was flooded; 256 gave 2.4 ms, no slices 38 ms, for a
//! twentieth less CPU.)
//!
//! A room that has something to deliver after a silence is served before those that are at it, once a round; then it
//! stands in line as they do. So who says something less often than all flooded rooms have had their turn waits for the
//! slice that is under way and for others like it, and those who are flooded wait for one slice of each. (These are the
//! new and old flows of `FQ-CoDel`, RFC 8290, section 4.2.)
//!
//! After a quarter of a millisecond of work the thread offers the core to whoever waits for it. The kernel by itself
//! looks who that is when somebody wakes, and otherwise at its next tick, up to 4 ms later.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    thread,
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::{
        mpsc::{self, error::TryRecvError},
        oneshot,
    },
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use tracing::Span;

use super::{
    Behind, Frame, Member, MemberId, RoomKey,
    room::{Room, Served},
};
use crate::{protocol::Dialect, tally::Dropped};

/// Members served before the next room has its turn.
const SLICE: usize = 64;
/// The same as a time, looked at after each [`STEP`]; and how long the thread works before it offers the core to others.
/// Whoever yields is taken to have used up the kernel's slice; so that little is given away by that, this thread's
/// (`threads::Share::Steady`) is a little longer than this.
const SLICE_TIME: Duration = Duration::from_micros(250);
/// Members served between two looks at the clock.
const STEP: usize = 8;
/// Commands taken between two slices. There is no limit of time: what is said waits behind those who join.
const COMMANDS_PER_TURN: usize = 256;

/// What a shard can be told; [`super::Hub`] says what each means.
#[derive(Debug)]
pub(super) enum Command {
    Open {
        room: RoomKey,
        delivered: u64,
    },
    Deliver {
        room: RoomKey,
        numbered: Vec<(u64, Frame)>,
        spans: Vec<Span>,
    },
    Signal {
        room: RoomKey,
        frame: Frame,
        except: Option<i64>,
    },
    Answer {
        room: RoomKey,
        member: MemberId,
        frame: Frame,
    },
    Join {
        room: RoomKey,
        member: Arc<Member>,
        at: u64,
        greeting: Bytes,
        answer: oneshot::Sender<Result<(), Behind>>,
    },
    Leave {
        room: RoomKey,
        member: MemberId,
    },
    Close {
        room: RoomKey,
    },
}

/// The rooms of one shard.
#[derive(Default)]
pub(super) struct Shard {
    rooms: HashMap<RoomKey, Room>,
    turns: Turns,
    /// A room that has so much waiting that no command is taken until it has less.
    full: Option<RoomKey>,
}

impl Shard {
    /// Runs until it is told to stop or nobody can send commands any more.
    pub(super) async fn run(mut self, mut inbox: mpsc::Receiver<Command>, stop: CancellationToken) {
        let mut works_since = Instant::now();
        loop {
            if self.turns.is_empty() {
                let waits = inbox.is_empty();
                let command = tokio::select! {
                    biased;
                    command = inbox.recv() => command,
                    () = stop.cancelled() => None,
                };
                let Some(command) = command else { return };
                if waits {
                    works_since = Instant::now();
                }
                self.handle(command);
            }
            if self.take_commands(&mut inbox).is_err() || stop.is_cancelled() {
                return;
            }
            self.serve_next();
            if works_since.elapsed() >= SLICE_TIME {
                thread::yield_now();
                works_since = Instant::now();
            }
        }
    }

    /// Takes what has arrived, before anything is delivered; an error says that nobody sends any more and nothing is
    /// left to do.
    fn take_commands(&mut self, inbox: &mut mpsc::Receiver<Command>) -> Result<(), TryRecvError> {
        for _ in 0..COMMANDS_PER_TURN {
            if self.full.is_some() {
                break;
            }
            match inbox.try_recv() {
                Ok(command) => self.handle(command),
                Err(TryRecvError::Empty) => break,
                Err(gone) if self.turns.is_empty() => return Err(gone),
                Err(_) => break,
            }
        }
        Ok(())
    }

    fn handle(&mut self, command: Command) {
        match command {
            Command::Open { room, delivered } => {
                self.rooms.entry(room).or_insert_with(|| Room::new(delivered));
            }
            Command::Deliver { room, numbered, spans } => {
                self.line_up(room, |it| it.deliver(numbered, spans));
            }
            Command::Signal { room, frame, except } => self.line_up(room, |it| it.signal(frame, except)),
            Command::Answer { room, member, frame } => {
                let mut served = Served::default();
                self.line_up(room, |it| served = it.answer(member, frame));
                count(served);
            }
            Command::Join { room, member, at, greeting, answer } => {
                // Without the room `answer` is dropped, which is the answer.
                if let Some(room) = self.rooms.get_mut(&room) {
                    // The joiner may be gone; its leave follows.
                    let _ = answer.send(room.join(member, at, &greeting).map_err(Behind));
                }
            }
            Command::Leave { room, member } => {
                if let Some(room) = self.rooms.get_mut(&room) {
                    room.leave(member);
                }
            }
            Command::Close { room } => {
                self.rooms.remove(&room);
                self.turns.remove(room);
                self.relieve(room);
            }
        }
    }

    fn line_up(&mut self, key: RoomKey, what: impl FnOnce(&mut Room)) {
        let Some(room) = self.rooms.get_mut(&key) else {
            return;
        };
        what(room);
        if room.is_busy() && !room.has_turn {
            room.has_turn = true;
            self.turns.fresh.push_back(key);
        }
        if room.is_full() {
            self.full = Some(key);
        }
    }

    /// Serves a slice of the room whose turn it is.
    fn serve_next(&mut self) {
        let Some((key, fresh)) = self.turns.next() else {
            return;
        };
        let Some(room) = self.rooms.get_mut(&key) else {
            return;
        };
        // If those who were behind have left meanwhile there is nothing to serve.
        let began = Instant::now();
        let served = slice(room, || began.elapsed() >= SLICE_TIME);
        room.has_turn = fresh || room.is_busy();
        if room.has_turn {
            self.turns.others.push_back(key);
        }
        if !room.is_full() {
            self.relieve(key);
        }
        count(served);
    }

    fn relieve(&mut self, key: RoomKey) {
        if self.full == Some(key) {
            self.full = None;
        }
    }
}

/// Whose turn it is; a room stands here once.
#[derive(Default)]
struct Turns {
    /// Rooms that have something to deliver after a silence. They come first.
    fresh: VecDeque<RoomKey>,
    /// Those that had a slice since then, even if nothing is left to deliver: so a room that always says little
    /// has one turn of its own for one of each of these.
    others: VecDeque<RoomKey>,
}

impl Turns {
    fn is_empty(&self) -> bool {
        self.fresh.is_empty() && self.others.is_empty()
    }

    /// The next one, and whether it is one of the fresh.
    fn next(&mut self) -> Option<(RoomKey, bool)> {
        let fresh = self.fresh.pop_front().map(|room| (room, true));
        fresh.or_else(|| self.others.pop_front().map(|room| (room, false)))
    }

    fn remove(&mut self, room: RoomKey) {
        self.fresh.retain(|turn| *turn != room);
        self.others.retain(|turn| *turn != room);
    }
}

/// Serves members of this room, each at most once, until it has had its share, the time is over or nobody is behind.
fn slice(room: &mut Room, is_over: impl Fn() -> bool) -> Served {
    let mut served = Served::default();
    let mut left = SLICE.min(room.len());
    while left > 0 && room.is_busy() {
        served += room.serve(STEP.min(left));
        left = left.saturating_sub(STEP);
        if is_over() {
            break;
        }
    }
    served
}

/// Counted for many at once: a lookup per delivery would cost more than the delivery's own work.
fn count(served: Served) {
    for (frames, dialect) in [(served.v1, Dialect::V1), (served.seed, Dialect::Seed)] {
        if frames > 0 {
            metrics::counter!("chorus_deliveries_total", "dialect" => dialect.as_str()).increment(frames);
        }
    }
    if served.dropped > 0 {
        Dropped::Socket.count(served.dropped);
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpStream};

    use super::*;
    use crate::hub::frame;

    /// The shard's room of this key gets so many members; the clients read nothing.
    async fn enter(shard: &mut Shard, key: RoomKey, count: usize) -> Vec<TcpStream> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        shard.handle(Command::Open { room: key, delivered: 0 });
        let mut clients = Vec::new();
        for _ in 0..count {
            clients.push(TcpStream::connect(address).await.unwrap());
            let (stream, _) = listener.accept().await.unwrap();
            let member = Arc::new(Member::new(stream, 1, Dialect::V1, 1024));
            let (answer, joined) = oneshot::channel();
            shard.handle(Command::Join { room: key, member, at: 0, greeting: Bytes::new(), answer });
            assert_eq!(joined.await, Ok(Ok(())));
        }
        clients
    }

    fn say(shard: &mut Shard, key: RoomKey, bytes: usize) {
        let frame = Frame { v1: frame::text(&"x".repeat(bytes)), seed: Bytes::new() };
        shard.handle(Command::Signal { room: key, frame, except: None });
    }

    #[tokio::test]
    async fn who_says_something_after_a_silence_comes_before_those_who_flood_once_a_round() {
        let mut shard = Shard::default();
        let mut clients = Vec::new();
        for room in 1..=4 {
            clients.push(enter(&mut shard, room, 1).await);
        }
        for room in [1, 2, 3] {
            (0..30).for_each(|_| say(&mut shard, room, 10_000));
        }
        shard.serve_next();
        shard.serve_next();
        say(&mut shard, 4, 10);
        let order = |shard: &mut Shard| {
            let next = shard.turns.fresh.front().or_else(|| shard.turns.others.front()).copied();
            shard.serve_next();
            next
        };
        // Room 3 has waited before; rooms 1 and 2 have had their first slice.
        assert_eq!([order(&mut shard), order(&mut shard)], [Some(3), Some(4)]);
        assert!(!shard.rooms[&4].is_busy());
        // It stands in line now like everybody: many who say little hold up nobody.
        say(&mut shard, 4, 10);
        let round: Vec<_> = (0..8).map(|_| order(&mut shard)).collect();
        assert_eq!(round, [1, 2, 3, 4, 1, 2, 3, 1].map(Some));
        assert!(!shard.rooms[&4].has_turn);
        // After a round in which it said nothing it comes first again.
        say(&mut shard, 4, 10);
        assert_eq!([order(&mut shard), order(&mut shard)], [Some(4), Some(2)]);
        drop(clients);
    }

    #[tokio::test]
    async fn a_slice_is_so_many_members_or_as_many_as_there_is_time_for() {
        let mut shard = Shard::default();
        let _clients = enter(&mut shard, 1, SLICE + STEP + 1).await;
        say(&mut shard, 1, 10);
        let room = shard.rooms.get_mut(&1).unwrap();
        let sizes = [false, true, false].map(|is_over| slice(room, || is_over).v1);
        assert_eq!(sizes, [SLICE as u64, STEP as u64, 1]);
        assert!(!room.is_busy());
    }

    #[tokio::test]
    async fn a_full_room_makes_the_callers_wait_until_it_has_less() {
        let (commands, mut inbox) = mpsc::channel(8);
        let mut shard = Shard::default();
        let _client = enter(&mut shard, 1, 1).await;

        let flood = Frame { v1: frame::text(&"x".repeat(10_000)), seed: Bytes::new() };
        let numbered = (1..=110).map(|mark| (mark, flood.clone())).collect();
        shard.handle(Command::Deliver { room: 1, numbered, spans: vec![] });
        commands.send(Command::Open { room: 2, delivered: 0 }).await.unwrap();
        assert!(shard.take_commands(&mut inbox).is_ok());
        assert!(!shard.rooms.contains_key(&2), "taken although room 1 is full");

        // One write of 64 KiB brings it below its megabyte.
        shard.serve_next();
        assert!(shard.take_commands(&mut inbox).is_ok());
        assert!(shard.rooms.contains_key(&2), "never taken");
        while !shard.turns.is_empty() {
            shard.serve_next();
        }
        assert!(!shard.rooms[&1].is_busy());
    }
}
