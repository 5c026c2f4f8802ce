//! One room, step by step: everything that can come between two seats comes there.

use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::{
    prelude::*,
    test_runner::{TestCaseError, TestRunner},
};
use tokio::{
    net::{TcpListener, TcpStream},
    time::{Duration, timeout},
};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt},
    util::SubscriberInitExt,
};

use super::*;
use crate::hub::frame;

const MEMBERS: usize = 12;
/// Long enough for any machine; only a failing test waits for it.
const LIMIT: Duration = Duration::from_mins(1);

#[derive(Debug, Clone)]
enum Act {
    /// So many numbered frames of this size.
    Deliver(usize, usize),
    /// A signal; perhaps not for the person of this member; perhaps only for v1.
    Signal(Option<usize>, bool),
    Answer(usize),
    /// This member joins, so many marks ahead of the room.
    Join(usize, u64),
    Leave(usize),
    /// So many seats have their turn.
    Serve(usize),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let member = || 0..MEMBERS;
    let size = prop_oneof![9 => 1usize..50, 1 => Just(30_000), 1 => Just(100_000)];
    let act = prop_oneof![
        4 => (1usize..5, size).prop_map(|(count, size)| Act::Deliver(count, size)),
        3 => (prop::option::of(member()), any::<bool>()).prop_map(|(except, seed)| Act::Signal(except, seed)),
        1 => member().prop_map(Act::Answer),
        4 => (member(), prop_oneof![3 => Just(0), 1 => 1u64..6]).prop_map(|(index, by)| Act::Join(index, by)),
        2 => member().prop_map(Act::Leave),
        6 => (1..MEMBERS).prop_map(Act::Serve),
    ];
    prop::collection::vec(act, 1..80)
}

/// What the room was told.
struct Told {
    text: String,
    mark: Option<u64>,
    except: Option<i64>,
    only: Option<MemberId>,
    seed: bool,
}

/// One stay of a member in the room: what it is due lies between these places in what the room was told.
struct Stay {
    at: u64,
    from: usize,
    until: Option<usize>,
}

struct Client {
    member: Arc<Member>,
    socket: TcpStream,
    stays: Vec<Stay>,
}

impl Client {
    async fn new(listener: &TcpListener, index: usize) -> Self {
        let socket = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let dialect = if index.is_multiple_of(3) { Dialect::Seed } else { Dialect::V1 };
        // Two sockets a person.
        let tag = i64::try_from(index / 2).unwrap();
        Self {
            member: Arc::new(Member::new(stream, tag, dialect, 64 << 20)),
            socket,
            stays: Vec::new(),
        }
    }

    fn stays(&mut self) -> Option<&mut Stay> {
        self.stays.last_mut().filter(|stay| stay.until.is_none())
    }

    fn is_due(&self, told: &Told, at: u64) -> bool {
        told.mark.is_none_or(|mark| mark > at)
            && told.except.is_none_or(|tag| tag != self.member.tag())
            && told.only.is_none_or(|id| id == self.member.id())
            && (told.seed || self.member.dialect() == Dialect::V1)
    }

    /// All frames that were sent.
    async fn read(&mut self) -> Vec<Bytes> {
        let end = frame::text("the end");
        self.member.send(end.clone());
        let (mut bytes, mut buffer) = (Vec::new(), vec![0; 1 << 16]);
        while !bytes.ends_with(&end) {
            self.member.drain();
            match self.socket.try_read(&mut buffer) {
                Ok(0) => panic!("closed"),
                Ok(count) => bytes.extend_from_slice(&buffer[..count]),
                Err(_) => tokio::task::yield_now().await,
            }
        }
        let (mut rest, mut frames) = (Bytes::from(bytes), Vec::new());
        while !rest.is_empty() {
            frames.push(rest.split_to(frame::boundary(&rest, 1)));
        }
        assert_eq!(frames.pop(), Some(end));
        frames
    }
}

struct Story {
    room: Room,
    told: Vec<Told>,
    clients: Vec<Client>,
}

impl Story {
    fn act(&mut self, act: &Act) {
        match *act {
            Act::Deliver(count, size) => self.deliver(count, size),
            Act::Signal(except, seed) => {
                let except = except.map(|index| self.clients[index].member.tag());
                let frame = self.tell(Told {
                    text: format!("s{}", self.told.len()),
                    mark: None,
                    except,
                    only: None,
                    seed,
                });
                self.room.signal(frame, except);
            }
            Act::Answer(index) => {
                let only = Some(self.clients[index].member.id());
                let text = format!("a{}", self.told.len());
                let frame = self.tell(Told { text, mark: None, except: None, only, seed: true });
                self.room.answer(self.clients[index].member.id(), frame);
            }
            Act::Join(index, by) => {
                let (at, from) = (self.room.mark + by, self.told.len());
                let client = &mut self.clients[index];
                let greeting = frame::text(&format!("g{from}"));
                if self.room.mark > 0 {
                    assert_eq!(
                        self.room.join(Arc::clone(&client.member), self.room.mark - 1, &greeting),
                        Err(self.room.mark)
                    );
                }
                assert_eq!(self.room.join(Arc::clone(&client.member), at, &greeting), Ok(()));
                if let Some(stay) = client.stays() {
                    stay.until = Some(from);
                }
                client.stays.push(Stay { at, from, until: None });
            }
            Act::Leave(index) => {
                let until = self.told.len();
                self.room.leave(self.clients[index].member.id());
                if let Some(stay) = self.clients[index].stays() {
                    stay.until = Some(until);
                }
            }
            Act::Serve(count) => {
                self.room.serve(count);
            }
        }
    }

    fn tell(&mut self, told: Told) -> Frame {
        let v1 = frame::text(&told.text);
        let seed = if told.seed { v1.clone() } else { Bytes::new() };
        self.told.push(told);
        Frame { v1, seed }
    }

    fn deliver(&mut self, count: usize, size: usize) {
        let mut numbered = Vec::new();
        for mark in (self.room.mark + 1..).take(count) {
            let text = format!("n{mark} {}", "x".repeat(size));
            numbered.push((
                mark,
                self.tell(Told { text, mark: Some(mark), except: None, only: None, seed: true }),
            ));
        }
        // What was delivered before is told again, and must not be delivered again.
        let again = numbered.clone();
        self.room.deliver(numbered, vec![]);
        self.room.deliver(again, vec![]);
    }

    /// That the books are right: who is behind, how long the line is, where each has its seat.
    fn check(&self) -> Result<(), TestCaseError> {
        let (room, end) = (&self.room, self.room.line.end());
        let behind: Vec<_> = room.seats.iter().map(|seat| seat.from).filter(|from| *from < end).collect();
        prop_assert_eq!(room.line.behind(), behind.len());
        let due = behind.iter().min().map_or(0, |least| end - least);
        let (items, bytes, batch) = room.line.kept();
        prop_assert_eq!(items as u64, due, "kept for nobody, or gone too soon");
        prop_assert_eq!(room.line.bytes(), bytes);
        prop_assert!(room.is_busy() || !batch, "a batch is kept for nobody");
        let seats = room.seats.iter().enumerate().map(|(place, seat)| (seat.member.id(), place));
        prop_assert_eq!(&seats.collect::<HashMap<_, _>>(), &room.index);
        Ok(())
    }
}

async fn tell(acts: &[Act]) -> Result<(), TestCaseError> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut clients = Vec::new();
    for index in 0..MEMBERS {
        clients.push(Client::new(&listener, index).await);
    }
    let mut story = Story { room: Room::new(0), told: Vec::new(), clients };
    for act in acts {
        story.act(act);
        story.check()?;
    }
    // Everybody has a turn for each batch that is in line, and then nobody is behind.
    let turns = story.room.line.kept().0 * story.room.len();
    story.room.serve(turns);
    prop_assert!(!story.room.is_busy());
    for mut client in story.clients {
        let frames = timeout(LIMIT, client.read()).await.expect("the end");
        let mut read = frames.as_slice();
        for stay in &client.stays {
            let (greeting, rest) = read.split_first().expect("a greeting");
            prop_assert_eq!(greeting, &frame::text(&format!("g{}", stay.from)));
            let due = &story.told[stay.from..stay.until.unwrap_or(story.told.len())];
            let due = due.iter().filter(|told| client.is_due(told, stay.at));
            let got = rest
                .iter()
                .zip(due.clone())
                .take_while(|(read, told)| **read == frame::text(&told.text))
                .count();
            // Whoever left may have been due more.
            prop_assert!(
                stay.until.is_some() || got == due.count(),
                "got {} and then {:?}",
                got,
                rest.get(got)
            );
            read = &rest[got..];
        }
        prop_assert!(read.is_empty(), "more than it should: {:?}", &read[..read.len().min(3)]);
    }
    Ok(())
}

#[test]
fn whatever_comes_between_two_seats_everybody_gets_what_it_is_due_once_and_in_order() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) };
    TestRunner::new(config).run(&acts(), |acts| runtime.block_on(tell(&acts))).unwrap();
}

/// A room of so many members that listen.
async fn room_of(count: usize) -> (Room, Vec<Client>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (mut room, mut clients) = (Room::new(0), Vec::new());
    for index in 0..count {
        let client = Client::new(&listener, index).await;
        room.join(Arc::clone(&client.member), 0, &Bytes::new()).unwrap();
        clients.push(client);
    }
    (room, clients)
}

fn text(bytes: usize) -> Bytes {
    frame::text(&"x".repeat(bytes))
}

fn says(room: &mut Room, bytes: usize) {
    room.signal(Frame { v1: text(bytes), seed: text(bytes) }, None);
}

/// How many frames so many turns are.
fn frames(room: &mut Room, turns: usize) -> u64 {
    let served = room.serve(turns);
    served.v1 + served.seed
}

#[tokio::test]
async fn what_arrives_on_the_way_is_given_in_the_same_write_to_those_whose_turn_comes() {
    let (mut room, _clients) = room_of(10).await;
    says(&mut room, 10);
    assert_eq!(frames(&mut room, 3), 3);
    says(&mut room, 10);
    // The seven that are left get both in one write, and then the three the second.
    assert_eq!([7, 2, 10].map(|turns| frames(&mut room, turns)), [14, 2, 1]);
    assert!(!room.is_busy());
}

#[tokio::test]
async fn one_write_carries_64_kib_of_either_dialect_and_who_is_due_more_waits_for_the_next_round() {
    type Speak = fn(Bytes) -> Frame;
    let (v1, seed): (Speak, Speak) =
        (|v1| Frame { v1, seed: Bytes::new() }, |seed| Frame { v1: Bytes::new(), seed });
    for (speak, at) in [(v1, 1), (seed, 0)] {
        let (mut room, mut clients) = room_of(2).await;
        // Who does not speak so hears nothing.
        room.leave(clients.remove(1 - at).member.id());
        for bytes in [30_000, 30_000, 30_000, 30_000, 30_000, 100_000] {
            room.signal(speak(text(bytes)), None);
        }
        assert_eq!([1; 5].map(|turns| frames(&mut room, turns)), [2, 2, 1, 1, 0]);
    }
}

#[tokio::test]
async fn nobody_waits_for_another_round_because_somebody_left() {
    let (mut room, clients) = room_of(5).await;
    says(&mut room, 10);
    room.serve(3);
    room.leave(clients[1].member.id());
    assert_eq!(frames(&mut room, 2), 2);
    assert!(!room.is_busy());
}

#[tokio::test]
async fn what_nobody_takes_is_counted_as_dropped_and_holds_nobody_up() {
    let (mut room, clients) = room_of(2).await;
    clients[1].member.kill();
    (0..3).for_each(|_| says(&mut room, 10));
    assert_eq!(room.serve(2), Served { v1: 0, seed: 3, dropped: 3 });
    assert!(!room.is_busy());
}

#[tokio::test]
async fn an_answer_is_one_more_frame_now_or_with_what_is_due_before_it() {
    let (mut room, clients) = room_of(2).await;
    let hears = Frame { v1: text(10), seed: text(10) };
    let asker = clients[1].member.id();
    assert_eq!(room.answer(asker, hears.clone()), Served { v1: 1, ..Served::default() });
    says(&mut room, 10);
    assert_eq!(room.answer(asker, hears.clone()), Served::default());
    assert_eq!(room.answer(99, hears), Served::default());
    assert_eq!(room.serve(2), Served { seed: 1, v1: 2, dropped: 0 });
}

/// Counts the spans that have ended.
struct Ended(Arc<AtomicUsize>);

impl<S: tracing::Subscriber> Layer<S> for Ended {
    fn on_close(&self, _: tracing::span::Id, _: Context<'_, S>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn spans_last_until_the_last_one_has_it_or_has_left() {
    let (mut room, clients) = room_of(3).await;
    let ended = Arc::new(AtomicUsize::new(0));
    let _guard = tracing_subscriber::registry().with(Ended(ended.clone())).set_default();
    let ended = || ended.load(Ordering::Relaxed);
    let deliver = |room: &mut Room, spans| room.deliver(vec![(room.mark + 1, Frame::default())], spans);

    deliver(&mut room, vec![]);
    room.serve(2);
    deliver(&mut room, vec![tracing::info_span!("stays")]);
    // The third has both now, the others the first.
    for _ in 0..2 {
        room.serve(1);
        assert_eq!(ended(), 0, "before everybody had it");
    }
    room.serve(1);
    assert_eq!(ended(), 1, "it lasts though everybody has it");

    deliver(&mut room, vec![tracing::info_span!("leaves")]);
    room.serve(2);
    assert_eq!(ended(), 1, "before everybody had it");
    room.leave(clients[1].member.id());
    assert_eq!(ended(), 2, "it lasts though who had not got it left");
}
