//! A room's log as text for other programs: one line that says what follows, then one line of JSON for each
//! event, as the history frames of `v1` show it.
//!
//! It is read in pages, so it takes no more memory for a long log than for a short one, and goes on beside nodes
//! that run. What follows is fixed at the start; whoever has the last line that the first one names has all.

use crate::{
    domain::{Event, RoomId, RoomName, Seq, Timestamp},
    protocol::v1::Entry,
    store::{Log, Slice, StoreError},
};

/// The version of these lines. It is raised by what a reader of the one before would misunderstand.
const VERSION: u32 = 1;
/// A page, in events and bytes.
const PAGE: (usize, usize) = (500, 1024 * 1024);

/// Why a room can't be exported, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// Nobody made it.
    #[error("There is no room of this name.")]
    NoRoom,
    /// What comes next is not there any more: `RETENTION_DAYS` has passed over it, or the log was restored.
    #[error("the log has changed while it was read: message {} is not in it any more; begin again", .0.0)]
    Gone(Seq),
    /// It can't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Which part of a room is wanted: from `since` until before `until`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Span {
    /// When its first event was committed, or later.
    pub since: Option<Timestamp>,
    /// Before which its last one was.
    pub until: Option<Timestamp>,
}

/// An export under way.
pub struct Export<'a> {
    log: &'a dyn Log,
    room: RoomId,
    next: Seq,
    last: Seq,
}

/// The first line.
#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Head<'a> {
    format: &'static str,
    version: u32,
    room: &'a RoomName,
    /// The numbers of the first and the last line that follow; none if there is nothing.
    first_seq: Option<Seq>,
    last_seq: Option<Seq>,
}

impl<'a> Export<'a> {
    /// Finds out what follows, and answers the line that says it.
    ///
    /// # Errors
    /// `NoRoom`; what the store answers.
    pub async fn begin(log: &'a dyn Log, name: &RoomName, span: Span) -> Result<(Self, String), ExportError> {
        let room = log.room(name).await?.ok_or(ExportError::NoRoom)?;
        let mut export = Self {
            log,
            room: room.id,
            next: Seq::ZERO.next(),
            last: room.last_seq,
        };
        if let Some(oldest) = export.at(export.next).await? {
            export.next = oldest.seq;
        }
        if let Some(until) = span.until {
            export.last = Seq(export.first_since(until).await?.0.saturating_sub(1));
        }
        if let Some(since) = span.since {
            export.next = export.first_since(since).await?;
        }
        let some = export.next <= export.last;
        let head = Head {
            format: "chorus.export",
            version: VERSION,
            room: name,
            first_seq: some.then_some(export.next),
            last_seq: some.then_some(export.last),
        };
        Ok((export, line(&head)))
    }

    /// The lines of the next page; none after the last.
    ///
    /// # Errors
    /// `Gone`; what the store answers.
    pub async fn page(&mut self) -> Result<Option<String>, ExportError> {
        if self.next > self.last {
            return Ok(None);
        }
        let (events, bytes) = PAGE;
        let page = self.log.page(self.room, starting(self.next), events, bytes).await?;
        let mut lines = String::new();
        for event in page.events.iter().take_while(|event| event.seq <= self.last) {
            if event.seq != self.next {
                return Err(ExportError::Gone(self.next));
            }
            lines += &line(&Entry(event));
            self.next = event.seq.next();
        }
        if lines.is_empty() { Err(ExportError::Gone(self.next)) } else { Ok(Some(lines)) }
    }

    /// The first number from `next` to `last` and one at which something was said at that time or later: a room's
    /// times never go back, so halves are enough.
    async fn first_since(&self, moment: Timestamp) -> Result<Seq, ExportError> {
        let (mut low, mut high) = (self.next, self.last.next());
        while low < high {
            let middle = Seq(low.0 + (high.0 - low.0) / 2);
            let event = self.at(middle).await?.ok_or(ExportError::Gone(middle))?;
            if event.timestamp < moment {
                low = middle.next();
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    /// The first event from this number on.
    async fn at(&self, seq: Seq) -> Result<Option<Event>, ExportError> {
        let page = self.log.page(self.room, starting(seq), 1, 0).await?;
        Ok(page.events.into_iter().next())
    }
}

/// From this number on, itself included. (The first is 1.)
const fn starting(seq: Seq) -> Slice {
    Slice::After(Seq(seq.0 - 1))
}

/// Numbers and texts: `serde_json` only fails on maps with strange keys.
fn line(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default() + "\n"
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        domain::{ClientId, MessageBody, UserId, Username},
        store::{Accounts, NewEvent, Retention, Store, sqlite::SqliteStore},
    };

    async fn say(store: &SqliteStore, room: RoomId, sender: UserId, from: usize, to: usize) {
        let said = |n| NewEvent {
            room,
            sender,
            id: ClientId::from_store(format!("m{n}")),
            body: MessageBody::from_store("hello"),
        };
        let batch: Vec<_> = (from..=to).map(said).collect();
        store.append(&batch).await.unwrap();
    }

    async fn scene(dir: &tempfile::TempDir, count: usize) -> (Arc<SqliteStore>, RoomId, UserId) {
        let store = Arc::new(SqliteStore::open(dir.path()).unwrap());
        let alice = store.create_user(&Username::parse("alice").unwrap(), "hash").await.unwrap();
        let room = store.room(&RoomName::lobby()).await.unwrap().unwrap().id;
        say(&store, room, alice, 1, count).await;
        (store, room, alice)
    }

    #[tokio::test]
    async fn what_is_said_after_the_beginning_is_not_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let (store, room, alice) = scene(&dir, 3).await;
        let (mut export, head) = Export::begin(&*store, &RoomName::lobby(), Span::default()).await.unwrap();
        assert!(head.ends_with("\"lastSeq\":3}\n"), "{head}");
        say(&store, room, alice, 4, 5).await;
        assert_eq!(export.page().await.unwrap().unwrap().lines().count(), 3);
        assert_eq!(export.page().await.unwrap(), None);
        store.close().await;
    }

    #[tokio::test]
    async fn what_is_deleted_meanwhile_is_no_hole_but_a_failure() {
        let dir = tempfile::tempdir().unwrap();
        let (store, ..) = scene(&dir, 1_100).await;
        let (mut export, _) = Export::begin(&*store, &RoomName::lobby(), Span::default()).await.unwrap();
        export.page().await.unwrap().unwrap();
        let later = store.now().await.unwrap().plus_seconds(3_600);
        while store.expire(later, None).await.unwrap().events > 0 {}
        let gone = export.page().await.unwrap_err();
        assert!(matches!(gone, ExportError::Gone(Seq(501))), "{gone}");
        store.close().await;
    }
}
