//! The hub over generated histories on real sockets: whoever joins wherever gets every numbered
//! frame above its mark once, every signal after its join, all in one order.

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::Bytes;
use chorus::{
    hub::{Behind, Frame, Hub, Member, RoomKey, frame},
    protocol::Dialect,
    shutdown::Tasks,
};
use proptest::{
    prelude::*,
    test_runner::{TestCaseError, TestRunner},
};
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
    time::timeout,
};

/// Long enough for any machine; only a failing test waits for it.
const LIMIT: Duration = Duration::from_mins(1);
/// More than two slices.
const MEMBERS: usize = 150;

#[derive(Debug, Clone)]
enum Act {
    /// So many numbered frames, with payloads of this size.
    Deliver(u8, usize),
    /// A signal; perhaps not for the person of this member; perhaps only for v1.
    Signal(Option<usize>, bool),
    /// This member joins, so many marks ahead of the room; or behind it.
    Join(usize, i8),
    /// All members in this range join.
    Crowd(usize, usize),
    Leave(usize),
    /// The others get a chance to run.
    Yield,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let member = || 0..MEMBERS;
    let act = prop_oneof![
        6 => (1u8..6, prop_oneof![9 => 1usize..50, 1 => Just(30_000)]).prop_map(|(n, size)| Act::Deliver(n, size)),
        3 => (prop::option::of(member()), any::<bool>()).prop_map(|(except, all)| Act::Signal(except, all)),
        5 => (member(), prop_oneof![4 => Just(0i8), 2 => 1i8..6, 1 => -3i8..0]).prop_map(|(m, by)| Act::Join(m, by)),
        1 => (member(), 1usize..100).prop_map(|(from, count)| Act::Crowd(from, count)),
        3 => member().prop_map(Act::Leave),
        3 => Just(Act::Yield),
    ];
    prop::collection::vec(act, 1..60)
}

/// Something the room was told to deliver, as the members should see it.
#[derive(Debug, Clone)]
struct Told {
    text: String,
    mark: Option<u64>,
    except: Option<i64>,
    seed: bool,
}

/// One stay of a member in the room.
#[derive(Debug)]
struct Stay {
    greeting: String,
    at: u64,
    from: usize,
    until: Option<usize>,
}

struct Client {
    member: Arc<Member>,
    socket: TcpStream,
    stays: Vec<Stay>,
}

async fn client(listener: &TcpListener, index: usize) -> Client {
    let socket = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    // Nobody drains these outboxes: the first write must find the socket writable.
    stream.writable().await.unwrap();
    let dialect = if index.is_multiple_of(3) { Dialect::Seed } else { Dialect::V1 };
    // Three sockets a person.
    let tag = i64::try_from(index / 3).unwrap();
    Client {
        member: Arc::new(Member::new(stream, tag, dialect, 64 << 20)),
        socket,
        stays: Vec::new(),
    }
}

struct Story {
    hub: Hub,
    room: RoomKey,
    mark: u64,
    told: Vec<Told>,
}

impl Story {
    async fn act(&mut self, act: &Act, clients: &mut [Client]) {
        match act {
            Act::Deliver(count, size) => self.deliver(*count, *size).await,
            Act::Signal(except, seed) => {
                let except = except.map(|index| clients[index].member.tag());
                self.signal(except, *seed).await;
            }
            Act::Join(index, by) => self.join(&mut clients[*index], *by).await,
            Act::Crowd(from, count) => {
                for client in clients.iter_mut().skip(*from).take(*count) {
                    self.join(client, 0).await;
                }
            }
            Act::Leave(index) => {
                self.hub.leave(self.room, clients[*index].member.id()).await;
                end_stay(&mut clients[*index], self.told.len());
            }
            Act::Yield => tokio::task::yield_now().await,
        }
    }

    async fn deliver(&mut self, count: u8, size: usize) {
        let mut numbered = Vec::new();
        for _ in 0..count {
            self.mark += 1;
            let text = format!("n{} {}", self.mark, "x".repeat(size));
            let bytes = frame::text(&text);
            numbered.push((self.mark, Frame { v1: bytes.clone(), seed: bytes }));
            self.told.push(Told { text, mark: Some(self.mark), except: None, seed: true });
        }
        // What was delivered before is told again, and must not be delivered again.
        let again = numbered.first().cloned();
        self.hub.deliver(self.room, numbered, vec![]).await;
        self.hub.deliver(self.room, again.into_iter().collect(), vec![]).await;
    }

    async fn signal(&mut self, except: Option<i64>, seed: bool) {
        let text = format!("s{}", self.told.len());
        let v1 = frame::text(&text);
        let frame = Frame { seed: if seed { v1.clone() } else { Bytes::new() }, v1 };
        self.hub.signal(self.room, frame, except).await;
        self.told.push(Told { text, mark: None, except, seed });
    }

    async fn join(&mut self, client: &mut Client, by: i8) {
        let at = self.mark.saturating_add_signed(by.into());
        let greeting = format!("g{} {at}", self.told.len());
        let answer = self.hub.join(self.room, client.member.clone(), at, frame::text(&greeting)).await;
        // Not awaited for those that succeed, so that commands pile up behind it.
        if at < self.mark {
            assert_eq!(answer.await, Ok(Err(Behind(self.mark))));
        } else {
            end_stay(client, self.told.len());
            client.stays.push(Stay { greeting, at, from: self.told.len(), until: None });
        }
    }
}

fn end_stay(client: &mut Client, until: usize) {
    if let Some(stay) = client.stays.last_mut() {
        stay.until.get_or_insert(until);
    }
}

/// Reads text frames until one is `last`.
async fn read_until(socket: &mut TcpStream, last: &str) -> Vec<String> {
    let mut texts = Vec::new();
    while texts.last().is_none_or(|text| text != last) {
        let mut head = [0; 2];
        socket.read_exact(&mut head).await.unwrap();
        assert_eq!(head[0], 0x81);
        let length = match head[1] {
            126 => usize::from(socket.read_u16().await.unwrap()),
            short => short.into(),
        };
        let mut text = vec![0; length];
        socket.read_exact(&mut text).await.unwrap();
        texts.push(String::from_utf8(text).unwrap());
    }
    texts
}

/// Checks what a client read against what it should have read.
fn check(client: &Client, told: &[Told], read: &[String]) -> Result<(), TestCaseError> {
    let (seed, tag) = (client.member.dialect() == Dialect::Seed, client.member.tag());
    let mut read = read;
    for stay in &client.stays {
        let (greeting, rest) = read.split_first().expect("a greeting");
        prop_assert_eq!(greeting, &stay.greeting);
        let due = told[stay.from..stay.until.unwrap_or(told.len())].iter().filter(|told| {
            told.mark.is_none_or(|mark| mark > stay.at)
                && told.except.is_none_or(|except| except != tag)
                && (told.seed || !seed)
        });
        let got = rest.iter().zip(due.clone()).take_while(|(read, told)| **read == told.text).count();
        if stay.until.is_none() {
            // A stay that lasts misses nothing; one that ended may miss what was still waiting.
            prop_assert_eq!(got, due.count(), "at {} got {:?}", stay.at, rest.get(got));
        }
        read = &rest[got..];
    }
    prop_assert!(read.is_empty(), "more than it should: {:?}", &read[..read.len().min(3)]);
    Ok(())
}

async fn tell(hub: &Hub, room: RoomKey, clients: &mut [Client], acts: &[Act]) -> Result<(), TestCaseError> {
    hub.open(room, 100).await;
    let mut story = Story { hub: hub.clone(), room, mark: 100, told: Vec::new() };
    for act in acts {
        story.act(act, clients).await;
    }
    // Those who are ahead become ordinary, and everybody who stays gets this one.
    story.deliver(10, 1).await;
    let last = story.told.last().map(|told| told.text.clone()).unwrap_or_default();
    for (index, client) in clients.iter_mut().enumerate() {
        let stays = client.stays.last().is_some_and(|stay| stay.until.is_none());
        if stays {
            let read = timeout(LIMIT, read_until(&mut client.socket, &last)).await;
            let read = read.unwrap_or_else(|_| panic!("client {index} waits"));
            check(client, &story.told, &read)?;
        }
    }
    hub.close(room).await;
    // The others: a frame of our own marks the end of what the room sent them.
    let fence = format!("fence {room}");
    for client in clients.iter_mut().filter(|client| !client.stays.is_empty()) {
        client.member.send(frame::text(&fence));
        let mut read = timeout(LIMIT, read_until(&mut client.socket, &fence)).await.expect("the fence");
        read.pop();
        if client.stays.last().is_some_and(|stay| stay.until.is_some()) {
            check(client, &story.told, &read)?;
        } else {
            prop_assert_eq!(&read, &Vec::<String>::new(), "something came after the end");
        }
        client.stays.clear();
    }
    Ok(())
}

#[test]
fn every_member_gets_its_frames_once_and_in_order_wherever_it_joined() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let (hub, mut clients) = runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut clients = Vec::new();
        for index in 0..MEMBERS {
            clients.push(client(&listener, index).await);
        }
        (Hub::start(&Tasks::new(), 2).unwrap(), clients)
    });
    let mut room = 0;
    let clients = std::cell::RefCell::new(&mut clients);
    let next = std::cell::RefCell::new(&mut room);
    TestRunner::new(ProptestConfig {
        failure_persistence: None,
        max_shrink_iters: 200,
        ..ProptestConfig::with_cases(150)
    })
    .run(&acts(), |acts| {
        **next.borrow_mut() += 1;
        let room = **next.borrow();
        let clients = &mut **clients.borrow_mut();
        // A case that failed leaves its traces in the sockets: shrinking goes on with new ones.
        let told = runtime.block_on(tell(&hub, room, clients, &acts));
        if told.is_err() {
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                for (index, slot) in clients.iter_mut().enumerate() {
                    *slot = client(&listener, index).await;
                }
            });
        }
        told
    })
    .unwrap();
}

#[tokio::test]
async fn a_flooded_room_does_not_keep_a_small_one_waiting() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hub = Hub::start(&Tasks::new(), 1).unwrap();
    let mut clients = HashMap::new();
    for index in 0..201 {
        let client = client(&listener, index).await;
        let room = i64::from(index == 200);
        hub.open(room, 0).await;
        let joined = hub.join(room, client.member.clone(), 0, Bytes::new()).await;
        joined.await.unwrap().unwrap();
        clients.insert(index, client);
    }
    let payload = frame::text(&"x".repeat(20_000));
    let flood = |mark| (mark, Frame { v1: payload.clone(), seed: payload.clone() });
    hub.deliver(0, (1..=20).map(flood).collect(), vec![]).await;
    let hello = frame::text("hello");
    hub.signal(1, Frame { v1: hello.clone(), seed: hello }, None).await;
    let small = &mut clients.get_mut(&200).unwrap().socket;
    timeout(LIMIT, read_until(small, "hello")).await.expect("hello");
    // This test's runtime has one thread: the flood stands still while we look.
    let mut flooded = 0;
    for client in clients.values().filter(|client| client.member.id() != 0) {
        let mut bytes = vec![0; 1 << 20];
        flooded += client.socket.try_read(&mut bytes).unwrap_or(0);
    }
    assert!(flooded < 200 * 20 * payload.len() / 2, "the flood was served first: {flooded}");
}

#[tokio::test]
async fn rooms_that_are_not_here_answer_nothing_and_closed_ones_forget() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hub = Hub::start(&Tasks::new(), 1).unwrap();
    let mut client = client(&listener, 1).await;
    let answer = hub.join(7, client.member.clone(), 0, Bytes::new()).await;
    assert!(answer.await.is_err());
    hub.open(7, 5).await;
    hub.open(7, 0).await;
    let answer = hub.join(7, client.member.clone(), 4, Bytes::new()).await;
    assert_eq!(answer.await, Ok(Err(Behind(5))));
    let answer = hub.join(7, client.member.clone(), 5, frame::text("in")).await;
    assert_eq!(answer.await, Ok(Ok(())));
    hub.close(7).await;
    hub.open(7, 0).await;
    let news = frame::text("news");
    hub.deliver(7, vec![(1, Frame { v1: news.clone(), seed: news })], vec![]).await;
    let answer = hub.join(7, client.member.clone(), 1, frame::text("again")).await;
    assert_eq!(answer.await, Ok(Ok(())));
    let read = timeout(LIMIT, read_until(&mut client.socket, "again")).await.expect("again");
    assert_eq!(read, ["in", "again"]);
}

#[tokio::test]
async fn the_hub_ends_when_the_node_stops() {
    let tasks = Tasks::new();
    let hub = Hub::start(&tasks, 3).unwrap();
    hub.open(1, 0).await;
    tasks.stop();
    assert!(tasks.join(LIMIT).await);
    // Nobody listens any more; nobody waits for them either.
    hub.signal(1, Frame::default(), None).await;
}

#[tokio::test]
async fn an_answer_comes_to_who_asked_between_what_all_are_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hub = Hub::start(&Tasks::new(), 1).unwrap();
    let (mut asker, mut other) = (client(&listener, 1).await, client(&listener, 2).await);
    hub.open(7, 0).await;
    for member in [&asker.member, &other.member] {
        hub.join(7, Arc::clone(member), 0, Bytes::new()).await.await.unwrap().unwrap();
    }
    let both = |text: &str| Frame { v1: frame::text(text), seed: frame::text(text) };
    hub.signal(7, both("before"), None).await;
    hub.answer(7, asker.member.id(), both("answer")).await;
    hub.answer(7, 99, both("nobody")).await;
    hub.deliver(7, vec![(1, both("after"))], vec![]).await;
    let heard = timeout(LIMIT, read_until(&mut asker.socket, "after")).await.expect("after");
    assert_eq!(heard, ["before", "answer", "after"]);
    let heard = timeout(LIMIT, read_until(&mut other.socket, "after")).await.expect("after");
    assert_eq!(heard, ["before", "after"]);
}
