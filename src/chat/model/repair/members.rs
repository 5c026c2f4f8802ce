//! The members' part: how they read their way in, go live and go.

use std::sync::Arc;

use super::{Broken, Member, PAGE, Presence, Repair};
use crate::{
    chat::join::approach::{Approach, Span, Start, Step},
    domain::{Event, Position, Seq},
    protocol::v1::Reason,
    store::Slice,
};

impl Repair {
    /// `Joining::run`: is the position honoured?
    pub(super) fn come(&mut self, member: usize, node: usize) -> Result<(), String> {
        let start = match self.members[member].has {
            None => Start::Newest(Reason::Fresh),
            Some(seq) => {
                let position = self.position(seq);
                let head = self.head(position.seq);
                Start::resume(position, &head)
            }
        };
        if self.members[member].has.is_some() && matches!(start, Start::Newest(_)) {
            return Err(format!("member {member} begins anew"));
        }
        self.members[member].node = node;
        self.members[member].presence = Presence::Reading(Approach::new(start), None);
        self.enter(node);
        Ok(())
    }
    pub(super) fn read_page(&mut self, member: usize) {
        let node = self.members[member].node;
        if self.rooms[node].as_ref().is_none_or(|room| room.hub.is_none()) {
            // It waits until the room is open.
            if matches!(self.members[member].presence, Presence::Reading(_, None)) {
                self.enter(node);
            }
            return;
        }
        let log: Vec<u64> = (1..=self.end()).collect();
        let Presence::Reading(approach, page) = &mut self.members[member].presence else {
            return;
        };
        let (numbers, has_more): (&[u64], bool) = match approach.next() {
            Slice::After(after) => {
                let rest = &log[usize::try_from(after.0).unwrap()..];
                (&rest[..rest.len().min(PAGE)], rest.len() > PAGE)
            }
            _ => (&log[log.len().saturating_sub(PAGE)..], log.len() > PAGE),
        };
        let end = numbers.last().map(|seq| Position::after(&self.log[usize::try_from(*seq).unwrap() - 1]));
        let span = Span { first: numbers.first().map(|seq| Seq(*seq)), end, has_more };
        *page = Some((span, numbers.to_vec()));
    }

    /// `Joining::catch_up` and `Conductor::go_live`.
    pub(super) fn take_page(&mut self, member: usize) -> Result<(), String> {
        let (one, log) = (&mut self.members[member], &self.log);
        let Presence::Reading(approach, page) = &mut one.presence else {
            return Ok(());
        };
        let Some((span, numbers)) = page.take() else { return Ok(()) };
        let node = one.node;
        match approach.take(&span) {
            Step::Send(_) => numbers.iter().try_for_each(|seq| tell(log, one, *seq))?,
            Step::Expired => return Err(format!("member {member} is told that its place is gone")),
            Step::Arrive(at, _) => {
                let anybody = self.broken == Broken::AnybodyIsLive;
                if let Some((mark, seats)) = self.rooms[node].as_mut().and_then(|room| room.hub.as_mut())
                    && (at.seq.0 >= *mark || anybody)
                {
                    seats.insert(member, at.seq.0);
                    if one.has.is_none() {
                        one.since = at.seq.0 - numbers.len() as u64;
                        one.has = Some(one.since);
                    }
                    if self.broken != Broken::LastPageIsLost {
                        numbers.iter().try_for_each(|seq| tell(log, one, *seq))?;
                    }
                    one.presence = Presence::Live;
                    return Ok(());
                }
            }
        }
        // It reads on, and keeps the room open or opens it again.
        self.enter(node);
        Ok(())
    }

    pub(super) fn go(&mut self, member: usize) {
        let node = self.members[member].node;
        self.members[member].presence = Presence::Away;
        if let Some((_, seats)) = self.rooms[node].as_mut().and_then(|room| room.hub.as_mut()) {
            seats.remove(&member);
        }
    }
}

/// A member is shown something: it must be what comes next, and something that it was not shown before.
pub(super) fn tell(log: &[Arc<Event>], member: &mut Member, seq: u64) -> Result<(), String> {
    let has = member.has.unwrap_or_default();
    if seq != has + 1 {
        return Err(format!("somebody was told {seq} after {has}"));
    }
    let since = usize::try_from(member.since).unwrap();
    let (known, new) = log[since..].split_at(usize::try_from(has).unwrap() - since);
    if known.iter().any(|event| event.id == new[0].id) {
        return Err(format!("somebody was told {:?} twice", new[0].id));
    }
    member.has = Some(seq);
    Ok(())
}
