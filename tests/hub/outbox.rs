//! The outbox over generated histories: whatever the socket takes, refuses or breaks, what is on
//! the wire is whole frames in order, nothing is lost without a reason, and the limit holds.

use std::{
    io::{self, ErrorKind, IoSlice},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use bytes::Bytes;
use chorus::hub::{Outbox, Progress, Sent, Wire, frame};
use proptest::prelude::*;

/// A socket that takes so many bytes more, then blocks; or is broken.
#[derive(Debug, Default)]
struct Socket {
    room: Mutex<usize>,
    broken: Mutex<bool>,
    taken: Mutex<Vec<u8>>,
    /// Whether it takes several pieces in one write.
    vectored: bool,
}

impl Socket {
    fn take(&self, bytes: &[u8]) -> io::Result<usize> {
        if *self.broken.lock().unwrap() {
            return Err(ErrorKind::BrokenPipe.into());
        }
        let mut room = self.room.lock().unwrap();
        let count = bytes.len().min(*room);
        if count == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        *room -= count;
        self.taken.lock().unwrap().extend(&bytes[..count]);
        Ok(count)
    }
}

impl Wire for Socket {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.take(bytes)
    }

    fn try_write_vectored(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.vectored {
            self.take(&pieces.iter().flat_map(|piece| piece.to_vec()).collect::<Vec<_>>())
        } else {
            self.take(pieces.first().unwrap())
        }
    }
}

/// Counts wake-ups.
#[derive(Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[derive(Debug, Clone)]
enum Act {
    /// Somebody sends a run of frames with these payload lengths.
    Send(Vec<usize>),
    /// The socket takes so many bytes more.
    Room(usize),
    /// The connection's task runs, if it was woken or the socket became writable.
    Task,
    Close,
    Break,
    Kill,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        8 => prop::collection::vec(prop_oneof![0usize..40, 100usize..200], 1..4).prop_map(Act::Send),
        6 => prop_oneof![1usize..5, 1usize..400].prop_map(Act::Room),
        6 => Just(Act::Task),
        1 => Just(Act::Close),
    ];
    let last = prop_oneof![10 => Just(None), 1 => Just(Some(Act::Break)), 1 => Just(Some(Act::Kill))];
    (prop::collection::vec(act, 1..60), last, any::<prop::sample::Index>()).prop_map(
        |(mut acts, last, at)| {
            if let Some(last) = last {
                acts.insert(at.index(acts.len()), last);
            }
            acts
        },
    )
}

const LIMIT: usize = 600;

/// Splits bytes into whole frames and what is left over.
fn frames(mut bytes: &[u8]) -> (Vec<Vec<u8>>, usize) {
    let mut frames = Vec::new();
    loop {
        let end = frame::boundary(bytes, 1);
        let length = match bytes.get(1).map(|byte| byte & 0x7f) {
            None => return (frames, bytes.len()),
            Some(126) => match bytes.get(2..4) {
                Some(length) => 4 + usize::from(u16::from_be_bytes(length.try_into().unwrap())),
                None => return (frames, bytes.len()),
            },
            Some(short) => 2 + usize::from(short),
        };
        if length > bytes.len() {
            return (frames, bytes.len());
        }
        assert_eq!(end, length);
        frames.push(bytes[..length].to_vec());
        bytes = &bytes[length..];
    }
}

/// A history under test, and what the outside knows about it.
struct History {
    outbox: Outbox<Socket>,
    bell: Arc<Bell>,
    waker: Waker,
    heard: usize,
    /// Whether the task waits for the socket to become writable.
    watches: bool,
    sent: Vec<Vec<u8>>,
    accepted: usize,
    broken: bool,
    dropped: bool,
}

impl History {
    fn new(vectored: bool) -> Self {
        let bell = Arc::new(Bell::default());
        let waker = Waker::from(bell.clone());
        let outbox = Outbox::new(Socket { vectored, ..Socket::default() }, LIMIT);
        outbox.register(&waker);
        Self {
            outbox,
            bell,
            waker,
            heard: 0,
            watches: false,
            sent: Vec::new(),
            accepted: 0,
            broken: false,
            dropped: false,
        }
    }

    fn act(&mut self, act: &Act) {
        match act {
            Act::Send(lengths) => self.send(lengths),
            Act::Room(bytes) => *self.outbox.wire().room.lock().unwrap() += bytes,
            Act::Task => self.watches = self.run_task() == Progress::Blocked,
            Act::Close => {
                self.outbox.close(1001, frame::close(1001, "bye"));
            }
            Act::Break => {
                *self.outbox.wire().broken.lock().unwrap() = true;
                self.broken = true;
            }
            Act::Kill => {
                self.outbox.kill();
                self.broken = true;
            }
        }
    }

    fn send(&mut self, lengths: &[usize]) {
        // Every frame is different, so that order shows.
        let frames: Vec<_> = lengths
            .iter()
            .enumerate()
            .map(|(index, length)| {
                frame::text(&format!("{}.{index}:{}", self.sent.len(), "x".repeat(*length)))
            })
            .collect();
        let run = Bytes::from(frames.concat());
        let (open, queued) = (self.outbox.is_open(), self.outbox.queued());
        match self.outbox.send(&run) {
            Sent::Written | Sent::Queued => {
                assert!(open && !self.dropped);
                self.sent.extend(frames.iter().map(|frame| frame.to_vec()));
                self.accepted = self.sent.len();
            }
            Sent::Dropped => {
                let overflowed = open && !self.broken;
                if overflowed {
                    assert!(queued + run.len() > LIMIT, "dropped below the limit");
                    assert_eq!(self.outbox.closed_with(), Some(1013));
                    // A part of this run may have been written before.
                    self.sent.extend(frames.iter().map(|frame| frame.to_vec()));
                }
                self.dropped = true;
                assert!(!self.outbox.is_open());
            }
        }
        assert!(self.outbox.queued() <= LIMIT.max(200) + 64, "{} queued", self.outbox.queued());
    }

    fn run_task(&mut self) -> Progress {
        self.heard = self.bell.0.load(Ordering::SeqCst);
        self.outbox.register(&self.waker);
        loop {
            match self.outbox.drain() {
                Progress::More => {}
                progress => return progress,
            }
        }
    }

    /// What must be true at every moment.
    fn check(&self) {
        let taken = self.outbox.wire().taken.lock().unwrap().clone();
        let (whole, _) = frames(&taken);
        let closes = whole.iter().filter(|frame| frame[0] & 0x0f == 8).count();
        let texts = whole.len() - closes;
        assert!(closes <= 1);
        assert!(
            closes == 0 || whole.last().unwrap()[0] & 0x0f == 8,
            "something follows the Close frame"
        );
        assert_eq!(whole[..texts], self.sent[..texts], "other frames, or in another order");
        let woken = self.bell.0.load(Ordering::SeqCst) > self.heard;
        assert!(
            self.outbox.queued() == 0 || woken || self.watches,
            "something waits, and nobody will write it"
        );
    }

    /// The socket takes everything from now on: what must have arrived at the end.
    fn finish(mut self) {
        *self.outbox.wire().room.lock().unwrap() = usize::MAX / 2;
        let progress = self.run_task();
        let taken = self.outbox.wire().taken.lock().unwrap().clone();
        let (whole, rest) = frames(&taken);
        let code = whole
            .last()
            .filter(|frame| frame[0] & 0x0f == 8)
            .map(|frame| u16::from_be_bytes([frame[2], frame[3]]));
        if self.broken {
            return;
        }
        assert_eq!(rest, 0, "a frame was cut");
        assert_eq!(code, self.outbox.closed_with());
        match code {
            None => assert_eq!((progress, whole.len()), (Progress::Clear, self.accepted)),
            Some(1001) => assert_eq!((progress, whole.len() - 1), (Progress::Finished, self.accepted)),
            Some(code) => assert_eq!((progress, code), (Progress::Finished, 1013)),
        }
        assert_eq!(self.outbox.queued(), 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn whole_frames_in_order_within_the_limit(acts in acts(), vectored in any::<bool>()) {
        let mut history = History::new(vectored);
        for act in &acts {
            history.act(act);
            history.check();
        }
        history.finish();
    }
}

#[test]
fn a_reader_that_is_too_slow_gets_the_frame_it_had_begun_and_then_1013() {
    let outbox = Outbox::new(Socket::default(), 500);
    *outbox.wire().room.lock().unwrap() = 30;
    let run: Vec<_> = ["a", "b", "c"].map(|letter| frame::text(&letter.repeat(20))).into();
    // The first frame is out, the second begun.
    assert_eq!(outbox.send(&Bytes::from(run.concat())), Sent::Queued);
    while outbox.send(&frame::text(&"d".repeat(100))) != Sent::Dropped {}
    assert_eq!((outbox.is_open(), outbox.closed_with()), (false, Some(1013)));
    *outbox.wire().room.lock().unwrap() = 10_000;
    assert_eq!(outbox.drain(), Progress::Finished);
    let expected = [run[0].clone(), run[1].clone(), frame::close(1013, "too slow")].concat();
    assert_eq!(*outbox.wire().taken.lock().unwrap(), expected);
    assert_eq!(outbox.send(&run[0]), Sent::Dropped);
}

#[test]
fn what_it_begins_with_goes_first_and_with_what_follows_in_one_write() {
    let outbox = Outbox::beginning_with(
        Bytes::from("HTTP/1.1 101"),
        Socket { vectored: true, ..Socket::default() },
        500,
    );
    *outbox.wire().room.lock().unwrap() = 10_000;
    assert_eq!(outbox.send(&frame::text("welcome")), Sent::Queued);
    assert!(outbox.wire().taken.lock().unwrap().is_empty());
    outbox.begin();
    assert_eq!(outbox.drain(), Progress::Clear);
    let expected = [&b"HTTP/1.1 101"[..], &frame::text("welcome")].concat();
    assert_eq!(*outbox.wire().taken.lock().unwrap(), expected);
    assert_eq!(outbox.send(&frame::text("hello")), Sent::Written);
}

#[test]
fn a_close_comes_behind_what_it_begins_with() {
    for room in [0, 5] {
        let outbox = Outbox::beginning_with(Bytes::from("HTTP/1.1 101"), Socket::default(), 500);
        *outbox.wire().room.lock().unwrap() = room;
        outbox.begin();
        outbox.close(1001, frame::close(1001, "bye"));
        *outbox.wire().room.lock().unwrap() = 10_000;
        assert_eq!(outbox.drain(), Progress::Finished);
        let expected = [&b"HTTP/1.1 101"[..], &frame::close(1001, "bye")].concat();
        assert_eq!(*outbox.wire().taken.lock().unwrap(), expected);
    }
}

#[test]
fn one_that_overflowed_before_it_began_does_not_begin() {
    let outbox = Outbox::beginning_with(Bytes::from("HTTP/1.1 101"), Socket::default(), 500);
    *outbox.wire().room.lock().unwrap() = 10_000;
    assert_eq!(outbox.send(&frame::text(&"d".repeat(600))), Sent::Dropped);
    outbox.begin();
    assert_eq!((outbox.drain(), outbox.is_open()), (Progress::Dead, false));
    assert!(outbox.wire().taken.lock().unwrap().is_empty());
}

#[test]
fn without_what_it_begins_with_nothing_else_is_written() {
    let outbox = Outbox::beginning_with(Bytes::from("HTTP/1.1 101"), Socket::default(), 500);
    *outbox.wire().room.lock().unwrap() = 5;
    outbox.begin();
    assert_eq!(outbox.drain(), Progress::Blocked);
    while outbox.send(&frame::text(&"d".repeat(100))) != Sent::Dropped {}
    *outbox.wire().room.lock().unwrap() = 10_000;
    assert_eq!((outbox.drain(), outbox.is_open()), (Progress::Dead, false));
    assert_eq!(*outbox.wire().taken.lock().unwrap(), b"HTTP/");
}

#[test]
fn who_waits_for_the_queue_is_woken_when_it_is_empty_or_closed() {
    for ends_well in [true, false] {
        let outbox = Outbox::new(Socket::default(), 500);
        let bell = Arc::new(Bell::default());
        let waker = Waker::from(bell.clone());
        let mut cx = Context::from_waker(&waker);
        assert_eq!(outbox.poll_drained(&mut cx), Poll::Ready(()));
        outbox.send(&frame::text("hello"));
        assert_eq!(outbox.poll_drained(&mut cx), Poll::Pending);
        if ends_well {
            *outbox.wire().room.lock().unwrap() = 1000;
            assert_eq!(outbox.drain(), Progress::Clear);
        } else {
            outbox.kill();
        }
        assert_eq!(bell.0.load(Ordering::SeqCst), 1);
        assert_eq!(outbox.poll_drained(&mut cx), Poll::Ready(()));
    }
}
