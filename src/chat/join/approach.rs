//! How somebody reads their way into a room: what the log holds goes in, what to do next comes out.
//!
//! Pure. It promises that what is sent, page after page, follows what the member has without a gap and without
//! doubling, or says by its reason that it begins anew; and that the member arrives where a page ended that the log
//! said was the last. Whether the room is still there is for the room to say: if not, this reads on.

use super::RESUME;
use crate::{
    domain::{Position, Seq},
    protocol::v1::Reason,
    store::{Head, Slice},
};

/// Where reading begins.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::chat) enum Start {
    /// Right after this position, which the log holds.
    After(Position),
    /// With the newest page.
    Newest(Reason),
}

impl Start {
    /// The position, if the log goes on from where the member says it was, or why it can't. `head` was asked for at
    /// that position.
    pub(in crate::chat) fn resume(position: Position, head: &Head) -> Self {
        if head.last_seq < position.seq {
            return Self::Newest(Reason::LogChanged);
        }
        if position.seq > Seq::ZERO {
            // A client that names no id asks for no check of it, only that the log reaches back.
            match (&head.id_at, &position.id) {
                // A log has no holes: what is missing below its end was before its beginning.
                (None, _) => return Self::Newest(Reason::PositionExpired),
                (Some(found), Some(seen)) if found != seen => return Self::Newest(Reason::LogChanged),
                _ => {}
            }
        }
        if head.last_seq.0 - position.seq.0 > RESUME {
            return Self::Newest(Reason::TooFar);
        }
        Self::After(position)
    }
}

/// Somebody on their way in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::chat) struct Approach {
    /// What comes after this has not been sent.
    from: Start,
}

/// A page as far as this has to know it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::chat) struct Span {
    /// The number of its first event, if there is any.
    pub(in crate::chat) first: Option<Seq>,
    /// Where somebody stands who has read it, if there is any event.
    pub(in crate::chat) end: Option<Position>,
    /// Whether the log went on.
    pub(in crate::chat) has_more: bool,
}

/// What is to be done with a page that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::chat) enum Step {
    /// Send it, which brings the member to this number, and read on.
    Send(Seq),
    /// Go live with it, at this position; the reason says why it does not go on from what the member has. If the
    /// room is beyond that by now, read on.
    Arrive(Position, Option<Reason>),
    /// What comes next for the member is kept no longer: read on, which begins anew.
    Expired,
}

impl Approach {
    /// Nothing has been read.
    pub(in crate::chat) const fn new(from: Start) -> Self {
        Self { from }
    }

    /// What to read next.
    pub(in crate::chat) const fn next(&self) -> Slice {
        match &self.from {
            Start::After(position) => Slice::After(position.seq),
            Start::Newest(_) => Slice::Newest,
        }
    }

    /// Takes what was read.
    pub(in crate::chat) fn take(&mut self, page: &Span) -> Step {
        let position = match &self.from {
            Start::Newest(reason) => {
                return Step::Arrive(page.end.clone().unwrap_or(Position::START), Some(*reason));
            }
            Start::After(position) => position,
        };
        if page.first.is_some_and(|first| first != position.seq.next()) {
            self.from = Start::Newest(Reason::PositionExpired);
            return Step::Expired;
        }
        let end = page.end.as_ref().unwrap_or(position).clone();
        if !page.has_more {
            return Step::Arrive(end, None);
        }
        let seq = end.seq;
        self.from = Start::After(end);
        Step::Send(seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ClientId, RoomId};

    fn at(seq: u64, id: &str) -> Position {
        Position { seq: Seq(seq), id: Some(ClientId::from_store(id)) }
    }

    #[test]
    fn a_position_is_honoured_if_the_log_goes_on_from_it() {
        let head = |last, id: Option<&str>| Head {
            room: RoomId(1),
            last_seq: Seq(last),
            id_at: id.map(ClientId::from_store),
        };
        let unnamed = Position { id: None, ..at(3, "a") };
        let newest = Start::Newest;
        for (position, head, start) in [
            (at(3, "a"), head(3, Some("a")), Start::After(at(3, "a"))),
            (unnamed.clone(), head(9, Some("a")), Start::After(unnamed)),
            (Position::START, head(RESUME, None), Start::After(Position::START)),
            (at(3, "a"), head(2, None), newest(Reason::LogChanged)),
            (at(3, "a"), head(3, Some("b")), newest(Reason::LogChanged)),
            (at(3, "a"), head(9, None), newest(Reason::PositionExpired)),
            (Position::START, head(RESUME + 1, None), newest(Reason::TooFar)),
        ] {
            assert_eq!(Start::resume(position.clone(), &head), start, "{position:?} in {head:?}");
        }
    }

    #[test]
    fn pages_follow_each_other_or_it_begins_anew() {
        let page =
            |first, last: u64, has_more| Span { first: Some(Seq(first)), end: Some(at(last, "x")), has_more };
        let mut approach = Approach::new(Start::After(at(3, "a")));
        assert_eq!(approach.take(&page(4, 6, true)), Step::Send(Seq(6)));
        assert_eq!(approach.next(), Slice::After(Seq(6)));
        let last = Step::Arrive(at(8, "x"), None);
        assert_eq!(approach.take(&page(7, 8, false)), last);
        assert_eq!(approach.next(), Slice::After(Seq(6)), "that was not sent, if the room is ahead");
        let nothing = Span { first: None, end: None, has_more: false };
        assert_eq!(approach.take(&nothing), Step::Arrive(at(6, "x"), None));
        assert_eq!(approach.take(&page(9, 9, false)), Step::Expired);
        assert_eq!(approach.next(), Slice::Newest);
        let anew = Step::Arrive(at(9, "x"), Some(Reason::PositionExpired));
        assert_eq!(approach.take(&page(9, 9, true)), anew);
    }
}
