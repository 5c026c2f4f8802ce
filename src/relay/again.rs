//! What was put aside is told once more, because an operator wants it: out of the order of its room, with the id that it
//! had.

use std::sync::Arc;

use super::{
    envelope::outgoing,
    plan::Next,
    sink::{Fate, Lost, Sink},
};
use crate::{
    domain::Seq,
    store::{Missing, PutAside, Store, StoreError},
};

/// What is read for one event: more than the longest message.
const BYTES: usize = 1 << 20;

/// Why it could not be told.
#[derive(Debug, thiserror::Error)]
pub enum AgainError {
    /// The sink can't be reached.
    #[error("it can't be reached: {0}")]
    Lost(#[from] Lost),
    /// The store can't be asked.
    #[error("{0}")]
    Store(#[from] StoreError),
}

/// Tells a sink of this event. `None`: the log has it no more.
///
/// # Errors
/// When the sink can't be reached, or the store can't be asked.
pub async fn tell_again(
    store: &impl Store,
    sink: &mut impl Sink,
    letter: &PutAside,
) -> Result<Option<Fate>, AgainError> {
    let prev = Seq(letter.seq.0.saturating_sub(1));
    let range = Missing { room: letter.room, after: prev, upto: letter.seq };
    let Some(event) = store.missing(&[range], BYTES).await?.pop() else {
        return Ok(None);
    };
    let next = Next {
        event: Arc::new(event),
        name: letter.name.clone(),
        prev,
        gone: 0,
    };
    let message = outgoing(&next, store.log_id().await?);
    if message.id != letter.message_id {
        // The log was restored: the number is another event's now.
        return Ok(None);
    }
    sink.open().await?;
    let published = sink.publish(&[message]).await;
    match published.lost {
        Some(lost) => Err(lost.into()),
        None => Ok(published.fates.first().copied()),
    }
}
