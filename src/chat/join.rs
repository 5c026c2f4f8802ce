//! Joining and resuming are one thing: a member is a position, its pages are read from the log
//! under its own socket's backpressure, and it goes live where its position meets the room's.
//!
//! It promises that nothing falls between history and live, and that a hole is never silent: when
//! the log can't continue from where the member was, `recovered` is false and says why.

use std::sync::Arc;

use super::{
    Here, Person,
    reads::PageRead,
    rooms::{Arrival, Command, GoLive, NotLive},
    sequencer::Contradiction,
};
use crate::{
    domain::{Position, RoomId, RoomName, Seq},
    error::Refusal,
    hub::{Member, frame},
    protocol::{
        Dialect, Ref,
        v1::{self, Reason},
    },
    store::Slice,
};

/// How far behind a member may resume, in events (`limits.resume`).
pub const RESUME: u64 = 1000;
/// How often a member may find the room ahead or closed before it is told to try again. Each
/// round reads what is missing, so in practice it takes two.
const ROUNDS: usize = 20;

/// Somebody who wants to be in a room.
pub(super) struct Joining<'a> {
    pub(super) here: &'a Here,
    pub(super) room: RoomId,
    pub(super) name: &'a RoomName,
    pub(super) member: &'a Arc<Member>,
    pub(super) person: &'a Arc<Person>,
    /// Whether the room brings it back after a reset.
    pub(super) rejoining: bool,
}

/// How far reading on from a position has come.
enum CaughtUp {
    /// To the last page, which is not sent yet, and where that ends.
    LastPage(Arc<PageRead>, Position),
    /// Not to the next event, which is kept no longer.
    Expired,
    /// The socket is closed.
    Closed,
}

/// Where its reading begins.
#[derive(Debug, Clone)]
enum Start {
    /// Right after this position, which the log holds.
    After(Position),
    /// With the newest page.
    Newest(Reason),
}

impl Joining<'_> {
    /// Joins after `after`, or with the newest page.
    ///
    /// # Errors
    /// What the store refuses; the member is not in the room then.
    pub(super) async fn run(&self, after: Option<Position>, reference: Option<Ref>) -> Result<(), Refusal> {
        if self.member.dialect() == Dialect::Seed {
            return self.go_live_now().await;
        }
        let start = match after {
            None => Start::Newest(Reason::Fresh),
            Some(position) => self.resume_after(position).await?,
        };
        self.read_and_go_live(start, reference.as_ref()).await
    }

    /// The position, if the log goes on from where the member says it was, or why it can't.
    async fn resume_after(&self, position: Position) -> Result<Start, Refusal> {
        let head = self.here.reads.head(self.room, position.seq).await?;
        let head = head.ok_or_else(Refusal::room_not_found)?;
        if head.last_seq < position.seq {
            return Ok(Start::Newest(Reason::LogChanged));
        }
        if position.seq > Seq::ZERO {
            // A client that names no id asks for no check of it, only that the log reaches back.
            match (&head.id_at, &position.id) {
                // A log has no holes: what is missing below its end was before its beginning.
                (None, _) => return Ok(Start::Newest(Reason::PositionExpired)),
                (Some(found), Some(seen)) if found != seen => return Ok(Start::Newest(Reason::LogChanged)),
                _ => {}
            }
        }
        if head.last_seq.0 - position.seq.0 > RESUME {
            return Ok(Start::Newest(Reason::TooFar));
        }
        Ok(Start::After(position))
    }

    /// Reads until the room has delivered no more than was read. What was sent is not read again.
    async fn read_and_go_live(&self, mut start: Start, reference: Option<&Ref>) -> Result<(), Refusal> {
        for _ in 0..ROUNDS {
            if !self.member.is_open() {
                return Ok(());
            }
            self.here.rooms.enter(self.room, self.name.clone()).await?;
            let arrival = match &start {
                Start::Newest(reason) => self.newest_page(*reason, reference.cloned()).await?,
                Start::After(position) => match self.catch_up(position.clone(), reference).await? {
                    CaughtUp::Closed => return Ok(()),
                    CaughtUp::Expired => {
                        start = Start::Newest(Reason::PositionExpired);
                        continue;
                    }
                    CaughtUp::LastPage(page, at) => {
                        let read = page.first.map_or(at.seq, |first| Seq(first.0 - 1));
                        if read > position.seq {
                            start = Start::After(Position { seq: read, id: None });
                        }
                        let reference = reference.cloned();
                        Arrival::Page { at, page, recovered: true, reason: None, reference }
                    }
                },
            };
            if self.go_live(arrival).await.is_ok() {
                return Ok(());
            }
        }
        Err(Refusal::unavailable())
    }

    /// The newest page of the log.
    async fn newest_page(&self, reason: Reason, reference: Option<Ref>) -> Result<Arrival, Refusal> {
        let page = self.here.reads.page(self.room, Slice::Newest).await?;
        let at = page.end.clone().unwrap_or(Position::START);
        Ok(Arrival::Page { at, page, recovered: false, reason: Some(reason), reference })
    }

    /// Sends all pages but the last, each when the socket has taken the one before, and answers that and
    /// where it ends. A page that does not begin with what comes next is not sent: that is kept no longer.
    async fn catch_up(&self, mut position: Position, reference: Option<&Ref>) -> Result<CaughtUp, Refusal> {
        loop {
            // However slowly the socket takes its pages, the room stays open meanwhile.
            self.here.rooms.enter(self.room, self.name.clone()).await?;
            let slice = Slice::After(position.seq);
            let page = self.here.reads.page(self.room, slice).await?;
            if page.first.is_some_and(|first| first != position.seq.next()) {
                return Ok(CaughtUp::Expired);
            }
            let end = page.end.clone().unwrap_or_else(|| position.clone());
            if !page.has_more {
                return Ok(CaughtUp::LastPage(page, end));
            }
            self.send_page(&page, end.seq, reference).await?;
            position = end;
            self.member.drained().await;
            if !self.member.is_open() {
                return Ok(CaughtUp::Closed);
            }
        }
    }

    async fn send_page(&self, page: &PageRead, seq: Seq, reference: Option<&Ref>) -> Result<(), Refusal> {
        let people = self.here.rooms.fragment(self.room).await.ok_or_else(Refusal::unavailable)?;
        let joined = v1::Joined {
            room: self.name,
            seq,
            recovered: true,
            reason: None,
            has_more: true,
            messages: &page.events,
            people: &people,
            reference,
        };
        self.member.send(frame::text(&v1::joined(&joined)));
        Ok(())
    }

    /// A seed member goes live without any of the log.
    async fn go_live_now(&self) -> Result<(), Refusal> {
        for _ in 0..ROUNDS {
            self.here.rooms.enter(self.room, self.name.clone()).await?;
            if self.go_live(Arrival::Now).await.is_ok() || !self.member.is_open() {
                return Ok(());
            }
        }
        Err(Refusal::unavailable())
    }

    async fn go_live(&self, arrival: Arrival) -> Result<(), NotLive> {
        let entry = GoLive {
            room: self.room,
            member: Arc::clone(self.member),
            person: Arc::clone(self.person),
            arrival,
            rejoining: self.rejoining,
        };
        self.here.rooms.go_live(entry).await
    }
}

/// Brings everybody back into a room whose log does not go on from where they were, one after another. Who
/// can't be brought back is closed with 1011 and resumes by reconnecting.
pub(super) async fn rejoin(
    here: &Here,
    (room, name): (RoomId, RoomName),
    everybody: Vec<(Arc<Member>, Arc<Person>)>,
    why: Contradiction,
) {
    let reason = match why {
        Contradiction::Changed => Reason::LogChanged,
        Contradiction::Expired => Reason::PositionExpired,
    };
    for (member, person) in everybody {
        let joining = Joining {
            here,
            room,
            name: &name,
            member: &member,
            person: &person,
            rejoining: true,
        };
        let back = match member.dialect() {
            Dialect::Seed => joining.go_live_now().await,
            Dialect::V1 => joining.read_and_go_live(Start::Newest(reason), None).await,
        };
        if back.is_err() {
            member.close(1011, "the log was lost for this socket");
        }
        if !member.is_open() {
            // It may have left before it came back: leaving twice is harmless.
            let how = super::Departure::Lost;
            here.rooms.send(Command::Leave { room, member: member.id(), how }).await;
        }
    }
}
