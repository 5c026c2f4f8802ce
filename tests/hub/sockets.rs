//! Sockets through the real accept loop, with a doorkeeper and a session that only record.

use std::{
    convert::Infallible,
    io::Write as _,
    net::{IpAddr, SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use chorus::{
    domain::{SignInId, Username},
    error::{Code, Refusal},
    hub::{Frame, Hub, Member, frame},
    protocol::Dialect,
    shutdown::Tasks,
    ws::{
        self, Admitted, Card, Departure, Door, Doorkeeper, Knock, Later, LetIn, Listener, Session, Settings,
        Sockets, Step,
    },
};
use futures_util::{SinkExt, StreamExt};
use http::{Extensions, HeaderName, HeaderValue, Request, Response, request::Parts};
use http_body_util::Full;
use hyper::body::Incoming;
use proptest::strategy::{Strategy, ValueTree};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
    time::{Instant, timeout},
};
use tokio_tungstenite::tungstenite::Message;

use crate::raw_socket::{Got, RawSocket as Client, broken, masked, upgrade};

/// Long enough for any machine; only a failing test waits for it.
const LIMIT: Duration = Duration::from_mins(1);

/// What the session heard.
#[derive(Debug, PartialEq, Eq)]
enum Noted {
    /// Somebody slow asks to be let in.
    Asks,
    Text(String),
    Gone(Departure),
    /// The reservation was given back.
    Released,
}

/// A session that notes everything and does what the text says.
struct Recorder {
    member: Arc<Member>,
    notes: mpsc::UnboundedSender<Noted>,
    /// Opened by the test, one permit per `wait`, and per slow one to be let in.
    gate: Arc<tokio::sync::Semaphore>,
    _seat: Seat,
}

struct Seat(mpsc::UnboundedSender<Noted>);

impl Drop for Seat {
    fn drop(&mut self) {
        let _ = self.0.send(Noted::Released);
    }
}

impl Session for Recorder {
    fn text(self: Box<Self>, text: &str) -> Step {
        self.notes.send(Noted::Text(text.to_owned())).unwrap();
        match text {
            "bad" => return Step::Refused(self),
            "wait" => {
                return Step::Wait(Box::pin(async move {
                    let gate = self.gate.clone();
                    gate.acquire().await.unwrap().forget();
                    Step::Next(self)
                }));
            }
            "end" => self.member.close(4001, "signed out"),
            _ => self.member.send(frame::text(text)),
        }
        Step::Next(self)
    }

    fn gone(self: Box<Self>, how: Departure) -> Later<()> {
        Box::pin(async move {
            self.notes.send(Noted::Gone(how)).unwrap();
        })
    }
}

struct Keeper {
    notes: mpsc::UnboundedSender<Noted>,
    gate: Arc<tokio::sync::Semaphore>,
    members: mpsc::UnboundedSender<Arc<Member>>,
}

#[async_trait]
impl Doorkeeper for Keeper {
    async fn admit(&self, request: &Parts, _: Dialect) -> Result<Admitted, Refusal> {
        let (notes, gate, members) = (self.notes.clone(), self.gate.clone(), self.members.clone());
        let seat = Seat(notes.clone());
        match request.uri.query() {
            Some("stranger") => {
                self.notes.send(Noted::Asks).unwrap();
                return Err(Refusal::unauthorized());
            }
            Some("slow") => {
                self.notes.send(Noted::Asks).unwrap();
                self.gate.acquire().await.unwrap().forget();
            }
            _ => {}
        }
        Ok(Admitted {
            tag: 1,
            card: Card {
                username: Username::from_store("somebody"),
                sid: SignInId::random(),
                address: IpAddr::from([127, 0, 0, 1]),
            },
            arrive: Box::new(move |member| {
                members.send(member.clone()).unwrap();
                Step::Next(Box::new(Recorder { member, notes, gate, _seat: seat }))
            }),
        })
    }
}

/// A node that is nothing but sockets.
struct Node {
    address: SocketAddr,
    tasks: Tasks,
    sockets: Sockets,
    notes: mpsc::UnboundedReceiver<Noted>,
    members: mpsc::UnboundedReceiver<Arc<Member>>,
    gate: Arc<tokio::sync::Semaphore>,
    /// How many came in without HTTP.
    let_in_at_once: Arc<AtomicUsize>,
}

fn node() -> Node {
    node_with(Settings { ping: Duration::from_secs(25), outbox_bytes: 256 * 1024 })
}

fn node_with(settings: Settings) -> Node {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let listener = Listener::new(listener).unwrap();
    let tasks = Tasks::new();
    let sockets = Sockets::start(&tasks, settings);
    let (notes_in, notes) = mpsc::unbounded_channel();
    let (members_in, members) = mpsc::unbounded_channel();
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let keeper = Keeper { notes: notes_in, gate: gate.clone(), members: members_in };
    let door = Door::new(sockets.clone(), Arc::new(keeper));
    let (http, let_in_at_once) = (door.clone(), Arc::new(AtomicUsize::new(0)));
    let counted = let_in_at_once.clone();
    let service = tower::service_fn(move |request| answer(http.clone(), request));
    let let_in = move |stream, knock: Knock| -> LetIn {
        let (door, counted) = (door.clone(), counted.clone());
        Box::pin(async move {
            let besides = (HeaderName::from_static("x-at"), HeaderValue::from_static("the door"));
            match door.let_in(stream, &knock, besides).await {
                Ok(_) => {
                    counted.fetch_add(1, Ordering::Relaxed);
                    Ok(())
                }
                Err((stream, refusal)) => {
                    let mut known = Extensions::new();
                    known.insert(refusal);
                    Err((stream, known))
                }
            }
        })
    };
    let stop = tasks.stopped().clone();
    tasks.spawn(
        "accept",
        ws::accept(listener, tasks.clone(), stop, let_in, move |_| service.clone()),
    );
    Node {
        address,
        tasks,
        sockets,
        notes,
        members,
        gate,
        let_in_at_once,
    }
}

async fn answer(door: Door, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    if !ws::asks_for_upgrade(request.headers()) {
        return Ok(Response::new(Full::from("a page")));
    }
    Ok(match door.open(request).await {
        Ok(mut response) => {
            response.headers_mut().insert("x-at", HeaderValue::from_static("the door"));
            response.map(|()| Full::default())
        }
        Err(refusal) => Response::builder()
            .status(refusal.code.status())
            .body(Full::from(refusal.code.as_str()))
            .unwrap(),
    })
}

impl Node {
    /// Opens a raw socket.
    async fn open(&self) -> Client {
        self.open_as("").await
    }

    async fn open_as(&self, headers: &str) -> Client {
        let (status, client) = self.request("/", headers).await;
        assert_eq!(status, 101);
        client
    }

    /// A handshake and its status.
    async fn request(&self, path: &str, headers: &str) -> (u16, Client) {
        Client::knock(self.address, path, headers).await
    }

    async fn noted(&mut self) -> Noted {
        timeout(LIMIT, self.notes.recv()).await.expect("in time").expect("a note")
    }

    /// What is noted until the end of the socket.
    async fn noted_to_the_end(&mut self) -> Vec<Noted> {
        let mut all = Vec::new();
        while all.last() != Some(&Noted::Released) {
            all.push(self.noted().await);
        }
        all
    }

    async fn member(&mut self) -> Arc<Member> {
        timeout(LIMIT, self.members.recv()).await.expect("in time").expect("a member")
    }
}

#[tokio::test]
async fn the_handshake_chooses_the_dialect_or_refuses() {
    let mut node = node();
    let mut seed = node.open().await;
    assert_eq!(node.member().await.dialect(), Dialect::Seed);
    seed.say("hello").await;
    assert_eq!(seed.get().await, Got::text("hello"));
    let _v1 = node.open_as("Sec-WebSocket-Protocol: chorus.v1\r\n").await;
    assert_eq!(node.member().await.dialect(), Dialect::V1);
    let (status, _) = node.request("/", "Sec-WebSocket-Protocol: chorus.v9\r\n").await;
    assert_eq!(status, Code::UnsupportedProtocol.status());
    let (status, _) = node.request("/?stranger", "").await;
    assert_eq!(status, Code::Unauthorized.status());
}

/// The lines of an answer's header.
async fn header(socket: &mut TcpStream) -> Vec<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(timeout(LIMIT, socket.read_u8()).await.unwrap().unwrap());
    }
    let mut lines: Vec<_> = String::from_utf8(head).unwrap().lines().map(str::to_lowercase).collect();
    lines.retain(|line| !line.starts_with("date:"));
    lines.sort_unstable();
    lines
}

/// In one piece, now or later, it is read before HTTP, in two or behind another request by HTTP: nobody can tell which.
#[tokio::test]
async fn a_handshake_is_answered_alike_however_it_comes() {
    let mut node = node();
    let mut answers = Vec::new();
    for path in ["/", "/?stranger"] {
        let request = upgrade(path, "Sec-WebSocket-Protocol: chorus.v1\r\n");
        for (before, cut) in [
            ("", 0),
            ("a while", 0),
            ("", 10),
            ("GET /page HTTP/1.1\r\nHost: x\r\n\r\n", 0),
        ] {
            let mut socket = TcpStream::connect(node.address).await.unwrap();
            if before == "a while" {
                // The node waits for it.
                tokio::time::sleep(Duration::from_millis(50)).await;
            } else if !before.is_empty() {
                socket.write_all(before.as_bytes()).await.unwrap();
                assert_eq!(header(&mut socket).await.last().unwrap(), "http/1.1 200 ok");
                socket.read_exact(&mut [0; 6]).await.unwrap();
            }
            let (first, rest) = request.split_at(cut);
            socket.write_all(first.as_bytes()).await.unwrap();
            if cut > 0 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            socket.write_all(rest.as_bytes()).await.unwrap();
            answers.push(header(&mut socket).await);
            if path == "/" {
                let mut client = Client(socket);
                client.say("hello").await;
                assert_eq!(client.get().await, Got::text("hello"));
                assert_eq!(node.noted().await, Noted::Text("hello".into()));
                drop(client);
                while node.noted().await != Noted::Released {}
            } else {
                assert_eq!((node.noted().await, node.noted().await), (Noted::Asks, Noted::Released));
            }
        }
    }
    assert!(node.notes.try_recv().is_err(), "whoever is refused was asked about once");
    // The two pieces may be seen together.
    assert!(matches!(node.let_in_at_once.load(Ordering::Relaxed), 2 | 3));
    assert!(
        answers[0].iter().any(|line| line == "http/1.1 101 switching protocols"),
        "{answers:?}"
    );
    assert!(answers[4].iter().any(|line| line == "http/1.1 401 unauthorized"), "{answers:?}");
    for alike in answers.chunks(4) {
        assert!(alike.iter().all(|answer| *answer == alike[0]), "{alike:?}");
    }
}

#[tokio::test]
async fn a_well_behaved_client_talks_and_leaves() {
    let mut node = node();
    let (mut client, _) = tokio_tungstenite::connect_async(format!("ws://{}/", node.address)).await.unwrap();
    client.send(Message::text("hello")).await.unwrap();
    assert_eq!(client.next().await.unwrap().unwrap(), Message::text("hello"));
    client.close(None).await.unwrap();
    while let Some(Ok(_)) = client.next().await {}
    let noted = node.noted_to_the_end().await;
    assert_eq!(
        noted,
        [
            Noted::Text("hello".into()),
            Noted::Gone(Departure::Left),
            Noted::Released
        ]
    );
    assert!(node.sockets.is_empty());
}

#[tokio::test]
async fn input_may_come_in_pieces_of_any_size() {
    let long = "ä€😀".repeat(1700);
    let mut input = masked(0x81, long.as_bytes());
    // "€" split over three fragments with pings between them, the last one empty.
    input.extend(masked(0x01, &[b'a', 0xe2]));
    input.extend(masked(0x89, b"one"));
    input.extend(masked(0x00, &[0x82]));
    input.extend(masked(0x89, b""));
    input.extend(masked(0x00, &[0xac, b'z']));
    input.extend(masked(0x80, b""));
    input.extend(masked(0x8a, b"nobody asked"));
    input.extend(masked(0x81, b""));
    input.extend(masked(0x88, &1000u16.to_be_bytes()));
    for size in [1, 3, 7, 4096, input.len()] {
        let mut node = node();
        let mut client = node.open().await;
        for piece in input.chunks(size) {
            client.send(piece).await;
        }
        let got = client.get_all().await;
        let (pongs, others): (Vec<_>, Vec<_>) =
            got.into_iter().partition(|got| matches!(got, Got::Frame(0xa, _)));
        assert_eq!(pongs, [Got::Frame(0xa, b"one".into()), Got::Frame(0xa, vec![])], "by {size}");
        let expected = [
            Got::text(&long),
            Got::text("a€z"),
            Got::text(""),
            Got::close(1000),
            Got::End,
        ];
        assert_eq!(others, expected, "by {size}");
        assert_eq!(node.noted_to_the_end().await.len(), 5);
    }
}

#[tokio::test]
async fn broken_input_gets_its_close_code_and_changes_nothing() {
    let mut node = node();
    for (what, bytes, code) in broken(ws::FRAME_BYTES) {
        let mut client = node.open().await;
        client.say("before").await;
        client.send(&bytes).await;
        client.send(&masked(0x81, b"after")).await;
        assert_eq!(client.get().await, Got::text("before"), "{what}");
        assert_eq!(client.get_all().await, [Got::close(code), Got::End], "{what}");
        drop(client);
        let noted = node.noted_to_the_end().await;
        assert_eq!(
            noted,
            [
                Noted::Text("before".into()),
                Noted::Gone(Departure::Lost),
                Noted::Released
            ]
        );
    }
}

#[tokio::test]
async fn any_bytes_at_all_end_in_order() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut node = node();
    for _ in 0..200 {
        let bytes = proptest::collection::vec(proptest::prelude::any::<u8>(), 1..300);
        let bytes = bytes.new_tree(&mut runner).unwrap().current();
        let mut client = node.open().await;
        client.send(&bytes).await;
        client.0.shutdown().await.unwrap();
        client.get_all().await;
        node.noted_to_the_end().await;
    }
    assert!(node.sockets.is_empty());
}

#[tokio::test]
async fn how_a_socket_went_is_told_once() {
    let mut node = node();
    for (bytes, how) in [
        (masked(0x88, &1000u16.to_be_bytes()), Departure::Left),
        (masked(0x88, b""), Departure::Left),
        (masked(0x88, &4000u16.to_be_bytes()), Departure::Left),
        (masked(0x88, &1001u16.to_be_bytes()), Departure::Away),
        (masked(0x88, &1011u16.to_be_bytes()), Departure::Lost),
        (masked(0x81, b"end"), Departure::Left),
        (vec![], Departure::Lost),
    ] {
        let mut client = node.open().await;
        client.send(&bytes).await;
        client.0.shutdown().await.unwrap();
        client.get_all().await;
        let noted = node.noted_to_the_end().await;
        let gone: Vec<_> = noted.iter().filter(|noted| matches!(noted, Noted::Gone(_))).collect();
        assert_eq!(gone, [&Noted::Gone(how)], "{bytes:?}");
    }
}

#[tokio::test]
async fn nothing_is_read_while_the_session_is_busy_and_nothing_is_lost() {
    let mut node = node();
    let mut client = node.open().await;
    let texts: Vec<_> =
        (0..300).map(|n| if n % 100 == 50 { "wait".into() } else { format!("t{n}") }).collect();
    let input: Vec<_> = texts.iter().flat_map(|text| masked(0x81, text.as_bytes())).collect();
    client.send(&input).await;
    for (index, text) in texts.iter().enumerate() {
        assert_eq!(node.noted().await, Noted::Text(text.clone()), "{index}");
        if text == "wait" {
            assert!(node.notes.try_recv().is_err(), "it went on before the answer");
            node.gate.add_permits(1);
        } else {
            assert_eq!(client.get().await, Got::text(text));
        }
    }
}

#[tokio::test]
async fn a_socket_lost_while_the_session_is_busy_is_told_afterwards() {
    let mut node = node();
    let mut client = node.open().await;
    client.say("wait").await;
    client.say("never heard").await;
    assert_eq!(node.noted().await, Noted::Text("wait".into()));
    node.member().await.close(1011, "log lost");
    assert_eq!(client.get().await, Got::close(1011));
    assert!(node.notes.try_recv().is_err());
    node.gate.add_permits(1);
    assert_eq!(node.noted_to_the_end().await, [Noted::Gone(Departure::Lost), Noted::Released]);
}

#[tokio::test]
async fn bad_messages_again_and_again_close_with_1008() {
    let mut node = node();
    let mut client = node.open().await;
    for _ in 0..9 {
        client.say("bad").await;
    }
    client.say("still here").await;
    assert_eq!(client.get().await, Got::text("still here"));
    client.say("bad").await;
    client.say("too late").await;
    assert_eq!(client.get_all().await, [Got::close(1008), Got::End]);
    assert_eq!(node.noted_to_the_end().await.len(), 13);
}

#[tokio::test]
async fn a_slow_reader_gets_1013_while_others_are_served() {
    let mut node = node_with(Settings { ping: Duration::from_secs(25), outbox_bytes: 64 * 1024 });
    let hub = Hub::start(&node.tasks, 1).unwrap();
    hub.open(1, 0).await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(node.open().await);
        let joined = hub.join(1, node.member().await, 0, Bytes::new()).await;
        joined.await.unwrap().unwrap();
    }
    // The first one never reads; the others get everything.
    let payload = "x".repeat(10_000);
    let bytes = frame::text(&payload);
    for mark in 1..=2000 {
        hub.deliver(1, vec![(mark, Frame { v1: bytes.clone(), seed: bytes.clone() })], vec![])
            .await;
        for client in &mut clients[1..] {
            assert_eq!(client.get().await, Got::text(&payload));
        }
    }
    assert_eq!(node.noted_to_the_end().await, [Noted::Gone(Departure::Lost), Noted::Released]);
    let got = clients[0].get_all().await;
    let [texts @ .., close, Got::End] = &got[..] else { panic!("no end") };
    assert_eq!(*close, Got::close(1013));
    assert!(texts.iter().all(|got| *got == Got::text(&payload)), "a frame was cut");
    assert!(texts.len() < 2000);
}

#[tokio::test]
async fn a_flood_of_pings_is_answered_and_bounded() {
    let mut node = node_with(Settings { ping: Duration::from_secs(25), outbox_bytes: 4096 });
    let mut client = node.open().await;
    // Answered in order, as long as the client reads.
    let pings: Vec<_> = (0..500u32).flat_map(|n| masked(0x89, &n.to_be_bytes())).collect();
    client.send(&pings).await;
    for n in 0..500u32 {
        assert_eq!(client.get().await, Got::Frame(0xa, n.to_be_bytes().into()));
    }
    // A client that does not read its pongs is too slow like any other.
    let flood: Vec<_> = (0..100).flat_map(|_| masked(0x89, &[7; 125])).collect();
    while timeout(LIMIT, client.0.write_all(&flood)).await.expect("it is read or closed").is_ok() {
        if node.notes.try_recv().is_ok() {
            break;
        }
    }
    node.noted_to_the_end().await;
}

#[tokio::test]
async fn a_silent_socket_is_pinged_and_then_cut() {
    let mut node = node_with(Settings { ping: Duration::from_secs(5), outbox_bytes: 4096 });
    let (mut silent, mut alive) = (node.open().await, node.open().await);
    tokio::time::pause();
    let start = Instant::now();
    assert_eq!(silent.get().await, Got::Frame(9, vec![]));
    assert!(start.elapsed() <= Duration::from_secs(6));
    assert_eq!(alive.get().await, Got::Frame(9, vec![]));
    alive.send(&masked(0x8a, b"")).await;
    assert_eq!(silent.get().await, Got::End);
    assert!(start.elapsed() <= Duration::from_secs(12), "{:?}", start.elapsed());
    assert_eq!(node.noted().await, Noted::Gone(Departure::Lost));
    alive.say("hello").await;
    while alive.get().await != Got::text("hello") {}
}

#[tokio::test]
async fn silence_and_half_a_header_are_cut_within_ten_seconds() {
    let node = node();
    let page = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    for begin in ["", "G", "GET / HTTP/1.1\r\nHost: x\r\nCook", page] {
        let mut socket = TcpStream::connect(node.address).await.unwrap();
        socket.write_all(begin.as_bytes()).await.unwrap();
        let mut all = vec![0; 4096];
        if begin == page {
            // Kept alive, and idle from here.
            assert!(socket.read(&mut all).await.unwrap() > 0);
        }
        tokio::time::pause();
        let start = Instant::now();
        while socket.read(&mut all).await.is_ok_and(|count| count > 0) {}
        assert!(
            start.elapsed() <= Duration::from_secs(11),
            "{begin:?} lasted {:?}",
            start.elapsed()
        );
        tokio::time::resume();
    }
}

#[tokio::test]
async fn whoever_begins_late_and_goes_on_slowly_has_twenty_seconds() {
    let node = node();
    let mut socket = TcpStream::connect(node.address).await.unwrap();
    tokio::time::pause();
    let start = Instant::now();
    tokio::time::sleep(Duration::from_secs(9)).await;
    socket.write_all(b"GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n").await.unwrap();
    let (mut reading, mut writing) = socket.into_split();
    let cut = async {
        let mut all = vec![0; 4096];
        while reading.read(&mut all).await.is_ok_and(|count| count > 0) {}
    };
    let dribble = async {
        while writing.write_all(b"X: y\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = cut => {}
        () = dribble => {}
    }
    let lasted = start.elapsed();
    assert!((10..=21).contains(&lasted.as_secs()), "{lasted:?}");
}

#[tokio::test]
async fn a_client_that_leaves_before_its_101_leaves_nothing_behind() {
    let mut node = node();
    for _ in 0..50 {
        let (status, client) = node.request("/", "").await;
        assert_eq!(status, 101);
        drop(client);
        let noted = node.noted_to_the_end().await;
        assert!(noted.ends_with(&[Noted::Released]));
    }
    assert!(node.sockets.is_empty());
}

/// More than are let in before everybody has a turn; among them some that have left again.
#[tokio::test]
async fn a_crowd_is_let_in_and_whoever_left_before_that_is_not_asked_about() {
    let mut node = node();
    // Nothing else runs until all are in the kernel's queue.
    let mut crowd: Vec<_> = (0..40)
        .filter_map(|n| {
            let mut socket = std::net::TcpStream::connect(node.address).unwrap();
            let stays = n % 4 != 0;
            let path = if stays { "/" } else { "/?stranger" };
            socket.write_all(upgrade(path, "").as_bytes()).unwrap();
            stays.then(|| {
                socket.set_nonblocking(true).unwrap();
                TcpStream::from_std(socket).unwrap()
            })
        })
        .collect();
    for socket in &mut crowd {
        assert!(header(socket).await.contains(&"http/1.1 101 switching protocols".to_owned()));
    }
    assert_eq!(node.sockets.len(), 30);
    assert_eq!(node.let_in_at_once.load(Ordering::Relaxed), 30 + 10, "HTTP has seen none");
    assert!(node.notes.try_recv().is_err(), "nobody asked about a stranger");
}

#[tokio::test]
async fn a_client_that_leaves_while_it_is_asked_about_takes_no_place() {
    let mut node = node();
    let mut socket = TcpStream::connect(node.address).await.unwrap();
    socket.write_all(upgrade("/?slow", "").as_bytes()).await.unwrap();
    assert_eq!(node.noted().await, Noted::Asks);
    drop(socket);
    assert_eq!(node.noted().await, Noted::Released, "before the answer came");
    assert!(node.members.try_recv().is_err());
}

#[tokio::test]
async fn what_comes_with_the_handshake_is_heard() {
    let mut node = node();
    let mut socket = TcpStream::connect(node.address).await.unwrap();
    let mut bytes = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        .to_vec();
    bytes.extend(masked(0x81, b"early"));
    socket.write_all(&bytes).await.unwrap();
    assert_eq!(node.noted().await, Noted::Text("early".into()));
}

#[tokio::test]
async fn draining_spreads_the_clients_over_time_and_closes_the_rest() {
    let node = node();
    let mut v1 = Vec::new();
    for _ in 0..10 {
        v1.push(node.open_as("Sec-WebSocket-Protocol: chorus.v1\r\n").await);
    }
    let mut seed = node.open().await;
    tokio::time::pause();
    let start = Instant::now();
    let sockets = node.sockets.clone();
    node.tasks.spawn("drain", async move { sockets.drain(Duration::from_secs(2)).await });
    let mut moments = Vec::new();
    for client in &mut v1 {
        let Got::Frame(1, json) = client.get().await else { panic!("no hint") };
        let hint: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(hint["type"], "reconnect");
        moments.push(hint["afterMs"].as_u64().unwrap());
    }
    assert!(moments.is_sorted() && moments.iter().all(|ms| *ms < 2000), "{moments:?}");
    assert!(moments[9] > 1000, "{moments:?}");
    // Served until the end.
    v1[9].say("still here").await;
    assert_eq!(v1[9].get().await, Got::text("still here"));
    assert_eq!(seed.get().await, Got::close(1001));
    for client in &mut v1 {
        assert_eq!(client.get_all().await, [Got::close(1001), Got::End]);
    }
    assert!(start.elapsed() < Duration::from_secs(4));
}

#[tokio::test]
async fn stopping_closes_every_socket_and_ends_every_task() {
    let mut node = node();
    let mut client = node.open().await;
    let _idle = TcpStream::connect(node.address).await.unwrap();
    // This one never answers the Close frame.
    let _stubborn = node.open().await;
    node.member().await;
    node.member().await;
    node.tasks.stop();
    assert_eq!(client.get_all().await, [Got::close(1001), Got::End]);
    drop(client);
    assert!(node.tasks.join(LIMIT).await, "{} tasks are left", node.tasks.len());
}

#[tokio::test]
async fn whoever_is_let_in_as_the_node_stops_is_sent_away_at_once() {
    let mut node = node();
    let address = node.address;
    let coming = Client::knock(address, "/?slow", "");
    let stopping = async {
        assert_eq!(node.noted().await, Noted::Asks);
        node.tasks.stop();
        node.gate.add_permits(1);
    };
    let ((status, mut client), ()) = tokio::join!(coming, stopping);
    assert_eq!(status, 101);
    assert_eq!(client.get_all().await, [Got::close(1001), Got::End]);
    drop(client);
    assert!(node.tasks.join(LIMIT).await, "{} tasks are left", node.tasks.len());
}
