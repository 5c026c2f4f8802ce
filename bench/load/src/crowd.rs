//! All members of one chat in one thread: they come in, say things, and what they hear is counted.
//!
//! Sockets never block; epoll says which have something. Every wait ends with [`LIMIT`], or when
//! somebody asks for the end.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant, SystemTime},
};

use nix::{
    errno::Errno,
    sched::sched_yield,
    sys::{
        epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout},
        time::TimeSpec,
        timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags},
    },
};

use crate::{
    LIMIT, Outcome,
    arrivals::{Times, Timing},
    frames::MARK,
    member::Member,
    pace::Pace,
    speech::Speech,
    stop,
};

/// Few events a turn, so that what is due is never late by a whole crowd.
const EVENTS: usize = 64;
const BUFFER: usize = 64 * 1024;
/// So many are on their way in at the same time: fewer than any server's queue of connections.
pub const COMING: usize = 100;
/// The timer's mark among the members' indices.
const TIMER: u64 = u64::MAX;
/// When nothing has come for so long, everything has: changes of lists are told within half a second.
pub const SETTLED: Duration = Duration::from_millis(700);
/// Bytes of a message's text.
pub const PAYLOAD: usize = 128;

/// Numbers all messages of this program: to a node that knows the people from an earlier turn, a number
/// that comes again is the same message again, which nobody hears twice.
static SAID: AtomicU64 = AtomicU64::new(1);

/// The members of one chat.
pub struct Crowd {
    speech: Speech,
    doors: Vec<SocketAddr>,
    rooms: Vec<String>,
    /// How many of each room.
    sizes: Vec<usize>,
    members: Vec<Member>,
    epoll: Epoll,
    timer: TimerFd,
    buffer: Vec<u8>,
    coming: usize,
    /// Messages heard by all together, since the count began.
    heard: u64,
    delivered: u64,
    bytes: u64,
    timing: Option<Timing>,
}

impl Crowd {
    /// Nobody yet. Members take the doors in turn, and the rooms.
    pub fn of(speech: Speech, doors: Vec<SocketAddr>, rooms: Vec<String>) -> Outcome<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK)?;
        epoll.add(&timer, EpollEvent::new(EpollFlags::EPOLLIN, TIMER))?;
        Ok(Self {
            speech,
            doors,
            sizes: vec![0; rooms.len()],
            rooms,
            members: Vec::new(),
            epoll,
            timer,
            buffer: vec![0; BUFFER],
            coming: 0,
            heard: 0,
            delivered: 0,
            bytes: 0,
            timing: None,
        })
    }

    /// One that has set out.
    pub fn sets_out(&mut self, credential: &str, room: usize) -> Outcome {
        let index = self.members.len();
        let door = self.doors[index % self.doors.len()];
        let member = Member::set_out(door, self.speech.way(credential, &self.rooms[room]), room)?;
        self.epoll.add(&member.stream, EpollEvent::new(EpollFlags::EPOLLIN, index as u64))?;
        self.members.push(member);
        self.coming += 1;
        Ok(())
    }

    /// All of these come in, each into a room; returns when they are there, as fast as that goes.
    pub fn enter<'a>(&mut self, people: impl IntoIterator<Item = (&'a str, usize)>) -> Outcome {
        let mut people = people.into_iter();
        let mut began = Instant::now();
        let mut more = true;
        while more || self.coming > 0 {
            let before = self.coming;
            while more && self.coming < COMING {
                match people.next() {
                    Some((credential, room)) => self.sets_out(credential, room)?,
                    None => more = false,
                }
            }
            if self.turn(Duration::from_millis(100))? || self.coming != before {
                began = Instant::now();
            }
            within_limit(began, "come in")?;
        }
        Ok(())
    }

    /// Members that are in.
    pub const fn size(&self) -> usize {
        self.members.len() - self.coming
    }

    /// Those that are on their way.
    pub const fn coming(&self) -> usize {
        self.coming
    }

    /// Messages heard by all, ever.
    pub const fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Bytes that all have received so far.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Reads until nothing has come for so long.
    pub fn settle(&mut self, quiet: Duration) -> Outcome {
        let (began, mut last) = (Instant::now(), Instant::now());
        while last.elapsed() < quiet {
            if self.turn(quiet)? {
                last = Instant::now();
            }
            within_limit(began, "be quiet")?;
        }
        Ok(())
    }

    /// Reads whatever comes for so long.
    pub fn listen(&mut self, long: Duration) -> Outcome {
        let began = Instant::now();
        while let Some(left) = long.checked_sub(began.elapsed()) {
            self.turn(left.min(Duration::from_millis(100)))?;
        }
        Ok(())
    }

    /// Each of these says something at once, and all in their rooms hear it; answers how many
    /// deliveries that were.
    pub fn burst(&mut self, senders: impl IntoIterator<Item = usize>) -> Outcome<u64> {
        self.heard = 0;
        let mut awaited = 0;
        for sender in senders {
            let sender = sender % self.members.len();
            awaited += self.sizes[self.members[sender].room] as u64;
            self.say(sender)?;
        }
        let began = Instant::now();
        while self.heard < awaited {
            self.turn(Duration::from_millis(100))?;
            within_limit(began, "hear a message")?;
        }
        if self.heard == awaited {
            Ok(awaited)
        } else {
            Err(format!("heard {} of {awaited}", self.heard).into())
        }
    }

    /// Somebody of the first room says something at this pace, and goes on for as long as
    /// `meanwhile` wants; answers the milliseconds of each until the last one of that room had it, and
    /// until who said it knew that it is kept.
    pub fn paced(
        &mut self,
        pace: Pace,
        mut meanwhile: impl FnMut(&mut Self) -> Outcome<bool>,
    ) -> Outcome<Times> {
        for member in &mut self.members {
            member.heard = 0;
        }
        self.timing = Some(Timing::of(self.sizes[0], self.speech.acknowledges()));
        let (mut due, mut said) = (SystemTime::now(), 0);
        let began = Instant::now();
        loop {
            let busy = meanwhile(self)?;
            if !busy && said >= pace.times {
                break;
            }
            let now = SystemTime::now();
            if let Ok(early) = due.duration_since(now) {
                self.wait(early, busy)?;
                continue;
            }
            if let Some(timing) = &mut self.timing {
                timing.said(now, due);
            }
            self.say(0)?;
            said += 1;
            due += pace.every;
            within(began, LIMIT + pace.every * u32::try_from(pace.times)?, "say everything")?;
            self.turn(Duration::ZERO)?;
        }
        let began = Instant::now();
        while self.timing.as_ref().is_some_and(|it| it.underway() > 0) {
            self.turn(Duration::from_millis(100))?;
            within_limit(began, "hear everything")?;
        }
        Ok(self.timing.take().ok_or("nothing was timed")?.times())
    }

    fn say(&mut self, sender: usize) -> Outcome {
        let number = SAID.fetch_add(1, Ordering::Relaxed);
        let room = &self.rooms[self.members[sender].room];
        let frame = self.speech.says(room, &text(number), number);
        self.members[sender].send(&frame)
    }

    /// Until then at most, more exact than epoll's milliseconds; or only a look.
    fn wait(&mut self, early: Duration, busy: bool) -> Outcome {
        if busy {
            self.turn(Duration::ZERO)?;
            return Ok(());
        }
        let until = Expiration::OneShot(TimeSpec::from_duration(early.max(Duration::from_nanos(1))));
        self.timer.set(until, TimerSetTimeFlags::empty())?;
        self.turn(early + Duration::from_millis(2)).map(drop)
    }

    /// Waits for the next bytes, at most so long, and takes them in; says whether there were any. The core is offered to
    /// others before: the kernel may have work to do here for a server, such as the end of a write to its disk.
    pub fn turn(&mut self, wait: Duration) -> Outcome<bool> {
        stop::check()?;
        sched_yield()?;
        let mut events = [EpollEvent::empty(); EVENTS];
        let timeout = EpollTimeout::try_from(wait).unwrap_or(EpollTimeout::ZERO);
        let count = match self.epoll.wait(&mut events, timeout) {
            Err(Errno::EINTR) => 0,
            count => count?,
        };
        let mut any = false;
        for event in &events[..count] {
            if event.data() == TIMER {
                self.timer.unset()?;
            } else {
                self.read(usize::try_from(event.data())?)?;
                any = true;
            }
        }
        Ok(any)
    }

    fn read(&mut self, index: usize) -> Outcome {
        let member = &mut self.members[index];
        let piece = match self.timing {
            Some(_) => member.read_timed(&mut self.buffer)?,
            None => member.read(&mut self.buffer)?,
        };
        self.bytes += piece.bytes as u64;
        if let Some(refusal) = self.speech.refusal(&self.buffer[..piece.bytes]) {
            return Err(format!("the server refused something: {refusal}").into());
        }
        let was_coming = member.is_coming();
        let messages = member.hear(&self.buffer[..piece.bytes])?;
        if was_coming && !member.is_coming() {
            self.coming -= 1;
            self.sizes[member.room] += 1;
        }
        let before = member.heard;
        member.heard += messages;
        self.heard += messages;
        self.delivered += messages;
        if member.room == 0
            && let Some(timing) = &mut self.timing
        {
            timing.came(before, messages, piece.came);
            if index == 0 {
                timing.acked(self.speech.acks(&self.buffer[..piece.bytes]), piece.came);
            }
        }
        Ok(())
    }
}

/// A message's text: the mark, a number, and as many letters as it takes.
fn text(number: u64) -> String {
    format!("{:x<PAYLOAD$}", format!("{MARK}{number} "))
}

fn within_limit(began: Instant, what: &str) -> Outcome {
    within(began, LIMIT, what)
}

fn within(began: Instant, limit: Duration, what: &str) -> Outcome {
    if began.elapsed() < limit {
        Ok(())
    } else {
        Err(format!("the members do not {what} in {} s", limit.as_secs()).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_as_long_as_it_should_be_and_has_one_mark() {
        for number in [1, 12_345_678] {
            let text = text(number);
            assert_eq!(text.len(), PAYLOAD);
            assert_eq!(text.matches(MARK).count(), 1);
        }
    }
}
