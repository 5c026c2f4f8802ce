//! Joining and resuming are one thing: a member is a position, its pages are read from the log
//! under its own socket's backpressure, and it goes live where its position meets the room's.
//!
//! It promises that nothing falls between history and live, and that a hole is never silent: when
//! the log can't continue from where the member was, `recovered` is false and says why.

pub(super) mod approach;

use std::sync::Arc;

use self::approach::{Approach, Start, Step};
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
        Ok(Start::resume(position, &head))
    }

    /// Reads until the room has delivered no more than was read. What was sent is not read again.
    async fn read_and_go_live(&self, start: Start, reference: Option<&Ref>) -> Result<(), Refusal> {
        let mut approach = Approach::new(start);
        for _ in 0..ROUNDS {
            let Some(arrival) = self.catch_up(&mut approach, reference).await? else {
                return Ok(());
            };
            if self.go_live(arrival).await.is_ok() {
                return Ok(());
            }
        }
        Err(Refusal::unavailable())
    }

    /// Sends all pages but the last, each when the socket has taken the one before, and answers that; nothing
    /// when the socket is closed.
    async fn catch_up(
        &self,
        approach: &mut Approach,
        reference: Option<&Ref>,
    ) -> Result<Option<Arrival>, Refusal> {
        while self.member.is_open() {
            // However slowly the socket takes its pages, the room stays open meanwhile.
            self.here.rooms.enter(self.room, self.name.clone()).await?;
            let page = self.here.reads.page(self.room, approach.next()).await?;
            match approach.take(&page.span) {
                Step::Expired => {}
                Step::Send(seq) => {
                    self.send_page(&page, seq, reference).await?;
                    self.member.drained().await;
                }
                Step::Arrive(at, reason) => {
                    let (recovered, reference) = (reason.is_none(), reference.cloned());
                    return Ok(Some(Arrival::Page { at, page, recovered, reason, reference }));
                }
            }
        }
        Ok(None)
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
