//! The first steps of a message, however it comes: it is checked, and handed to the log, which
//! answers later.
//!
//! Nothing waits here for the database. A text that does not do takes no place in its sender's
//! window, and a message that turns out to have been committed before gives its place back.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::{
    Chat, Person, clock,
    log_writer::{Answer, Entry, Place},
    trace,
    window::Admission,
};
use crate::{
    domain::{ClientId, MessageBody, RoomId, RoomName, Seq, Timestamp},
    error::{Code, Refusal},
    store::NewEvent,
    tally::Limit,
};

/// Why a message was not taken.
#[derive(Debug)]
pub enum PostRefused {
    /// It is refused; the connection stays.
    Refused(Refusal),
    /// Three times the message limit was tried: the connection must be closed with 1008.
    Excess,
}

impl From<Refusal> for PostRefused {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Where a message stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Its id.
    pub id: ClientId,
    /// Its room.
    pub room: RoomName,
    /// Its number.
    pub seq: Seq,
    /// Its time.
    pub timestamp: Timestamp,
    /// Whether it had been committed before.
    pub duplicate: bool,
}

impl Chat {
    /// Says something over HTTP; answers when it is committed.
    pub async fn post(
        &self,
        person: &Arc<Person>,
        room: &RoomName,
        id: ClientId,
        text: &str,
    ) -> Result<Receipt, Refusal> {
        let number = self.room_id(room).await?;
        let (told, answer) = oneshot::channel();
        let submitted = self.submit(person, number, id.clone(), text, move |answer| drop(told.send(answer)));
        match submitted {
            Ok(()) => {}
            Err(PostRefused::Refused(refusal)) => return Err(refusal),
            Err(PostRefused::Excess) => return Err(limited(self.settings.window.window)),
        }
        let Place { seq, timestamp, duplicate } =
            answer.await.unwrap_or_else(|_| Err(Refusal::unavailable()))?;
        Ok(Receipt { id, room: room.clone(), seq, timestamp, duplicate })
    }

    /// Checks a message and hands it to the log. `answer` is called with the log's answer, unless
    /// an error is answered here.
    pub(super) fn submit(
        &self,
        person: &Arc<Person>,
        room: RoomId,
        id: ClientId,
        text: &str,
        answer: impl FnOnce(Answer) + Send + Sync + 'static,
    ) -> Result<(), PostRefused> {
        let body = MessageBody::parse(text, self.settings.message_chars).map_err(Refusal::from)?;
        let user = person.user;
        let place = self.take_place(person)?;
        let windows = Arc::clone(&self.windows);
        let answer = move |told: Answer| {
            if matches!(told, Ok(Place { duplicate: true, .. })) {
                windows.give_back(user, place);
            }
            answer(told);
        };
        self.log.submit(Entry {
            event: NewEvent { room, sender: user, id, body },
            username: person.username.clone(),
            answer: Box::new(answer),
            since: clock::now(),
            span: trace::message(),
        });
        Ok(())
    }

    /// A place in the sender's window.
    fn take_place(&self, person: &Person) -> Result<Instant, PostRefused> {
        let settings = &self.settings;
        let messages = if person.is_bot { settings.bot_messages } else { settings.window.messages };
        match self.windows.admit(person.user, messages) {
            Admission::Admitted(place) => Ok(place),
            Admission::Limited(wait) => Err(limited(wait).into()),
            Admission::Excess => Err(PostRefused::Excess),
        }
    }
}

fn limited(wait: Duration) -> Refusal {
    Limit::Messages.count(1);
    Refusal::new(Code::RateLimited, "You are sending too fast. Please wait a moment.").retry_after(wait)
}
