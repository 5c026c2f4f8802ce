//! Calls about rooms and what is said in them.

use std::sync::Arc;

use axum::{
    Json as Answer,
    extract::{FromRequestParts, Path, State as Extract},
};
use http::{HeaderMap, StatusCode, request::Parts};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    State,
    asker::Caller,
    body::{Asked, Json, invalid},
};
use crate::{
    chat::{Person, RoomInfo},
    domain::{ClientId, Event, MessageBody, RoomName, Seq, Timestamp, Username},
    error::{Code, Refusal},
    store::Slice,
};

const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// Entries of a page when no `limit` is given, and at most.
const PAGE: usize = 50;
const PAGE_MAX: usize = 200;

/// The room of the path. A name that no room can have is a room that is not there.
pub(super) struct Room(RoomName);

impl<S: Send + Sync> FromRequestParts<S> for Room {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let name = Path::<String>::from_request_parts(parts, state).await;
        let name = name.ok().and_then(|Path(name)| RoomName::parse(&name).ok());
        name.map(Self).ok_or_else(Refusal::room_not_found)
    }
}

/// What a page's query may say; an empty value counts as not given.
#[derive(Deserialize)]
pub(super) struct PageQuery {
    after: Option<String>,
    before: Option<String>,
    limit: Option<String>,
}

impl PageQuery {
    fn limit(&self) -> Result<usize, Refusal> {
        match given(self.limit.as_ref()) {
            None => Ok(PAGE),
            Some(text) => match text.parse::<usize>() {
                Ok(limit) if limit > 0 => Ok(limit.min(PAGE_MAX)),
                _ => Err(invalid("`limit` must be a whole number from 1 to 200.")),
            },
        }
    }

    fn slice(&self) -> Result<Slice, Refusal> {
        match (given(self.after.as_ref()), given(self.before.as_ref())) {
            (None, None) => Ok(Slice::Newest),
            (Some(after), None) => seq(after).map(Slice::After),
            (None, Some(before)) => seq(before).map(Slice::Before),
            (Some(_), Some(_)) => Err(invalid("Only one of `before` and `after` may be given.")),
        }
    }
}

fn given(value: Option<&String>) -> Option<&str> {
    value.map(String::as_str).filter(|text| !text.is_empty())
}

fn seq(text: &str) -> Result<Seq, Refusal> {
    // Databases count in signed numbers.
    let number = text.parse::<u64>().ok().filter(|n| i64::try_from(*n).is_ok());
    number.map(Seq).ok_or_else(|| invalid("`before` and `after` must be whole numbers."))
}

/// A room, as it is shown.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RoomShown {
    room: RoomName,
    user_count: usize,
    last_seq: Seq,
    last_timestamp: Option<Timestamp>,
}

impl From<RoomInfo> for RoomShown {
    fn from(info: RoomInfo) -> Self {
        Self {
            room: info.room,
            user_count: info.user_count,
            last_seq: info.last_seq,
            last_timestamp: info.last_timestamp,
        }
    }
}

#[derive(Serialize)]
pub(super) struct RoomsShown {
    rooms: Vec<RoomShown>,
    next: Option<RoomName>,
}

#[derive(Serialize)]
struct MessageShown {
    seq: Seq,
    id: ClientId,
    username: Username,
    message: MessageBody,
    timestamp: Timestamp,
}

impl From<Event> for MessageShown {
    fn from(event: Event) -> Self {
        Self {
            seq: event.seq,
            id: event.id,
            username: event.username,
            message: event.body,
            timestamp: event.timestamp,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MessagesShown {
    room: RoomName,
    messages: Vec<MessageShown>,
    last_seq: Seq,
    has_more: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UsersShown {
    users: Vec<Username>,
    user_count: usize,
    next: Option<Username>,
}

#[derive(Serialize)]
pub(super) struct ReceiptShown {
    id: ClientId,
    room: RoomName,
    seq: Seq,
    timestamp: Timestamp,
}

#[derive(Deserialize)]
pub(super) struct NewRoom {
    room: String,
}

#[derive(Deserialize)]
pub(super) struct NewMessage {
    id: Option<String>,
    message: String,
}

/// `GET /rooms`
pub(super) async fn list(
    Extract(state): Extract<Arc<State>>,
    _: Caller,
    Asked(query): Asked<PageQuery>,
) -> Result<Answer<RoomsShown>, Refusal> {
    let after = given(query.after.as_ref()).map(RoomName::parse).transpose()?;
    let found = state.chat.list_rooms(after, query.limit()?).await?;
    let rooms = found.rooms.into_iter().map(Into::into).collect();
    Ok(Answer(RoomsShown { rooms, next: found.next }))
}

/// `POST /rooms`
pub(super) async fn create(
    Extract(state): Extract<Arc<State>>,
    _: Caller,
    Json(asked): Json<NewRoom>,
) -> Result<(StatusCode, Answer<RoomShown>), Refusal> {
    let info = state.chat.create_room(RoomName::parse(&asked.room)?).await?;
    Ok((StatusCode::CREATED, Answer(info.into())))
}

/// `GET /rooms/{room}`
pub(super) async fn one(
    Extract(state): Extract<Arc<State>>,
    _: Caller,
    Room(room): Room,
) -> Result<Answer<RoomShown>, Refusal> {
    Ok(Answer(state.chat.room_info(&room).await?.into()))
}

/// `GET /rooms/{room}/messages`
pub(super) async fn messages(
    Extract(state): Extract<Arc<State>>,
    _: Caller,
    Room(room): Room,
    Asked(query): Asked<PageQuery>,
) -> Result<Answer<MessagesShown>, Refusal> {
    let page = state.chat.history(&room, query.slice()?, query.limit()?).await?;
    Ok(Answer(MessagesShown {
        room,
        messages: page.events.into_iter().map(Into::into).collect(),
        last_seq: page.last_seq,
        has_more: page.has_more,
    }))
}

/// `POST /rooms/{room}/messages`
pub(super) async fn post(
    Extract(state): Extract<Arc<State>>,
    Caller(who): Caller,
    Room(room): Room,
    headers: HeaderMap,
    Json(new): Json<NewMessage>,
) -> Result<(StatusCode, Answer<ReceiptShown>), Refusal> {
    let id = message_id(new.id.as_deref(), &headers)?;
    let person = Arc::new(Person { user: who.user, username: who.username });
    let receipt = state.chat.post(&person, &room, id, &new.message).await?;
    let status = if receipt.duplicate { StatusCode::OK } else { StatusCode::CREATED };
    let shown = ReceiptShown {
        id: receipt.id,
        room: receipt.room,
        seq: receipt.seq,
        timestamp: receipt.timestamp,
    };
    Ok((status, Answer(shown)))
}

/// The body's id and the header are one id; without either the server makes one.
fn message_id(body: Option<&str>, headers: &HeaderMap) -> Result<ClientId, Refusal> {
    let header = headers.get(IDEMPOTENCY_KEY).map(|value| value.to_str().unwrap_or_default());
    match (body, header) {
        (Some(body), Some(header)) if body != header => {
            Err(Refusal::new(Code::InvalidId, "The id and the Idempotency-Key differ."))
        }
        (Some(id), _) | (None, Some(id)) => Ok(ClientId::parse(id)?),
        (None, None) => Ok(ClientId::from_store(Uuid::now_v7().to_string())),
    }
}

/// `GET /rooms/{room}/users`
pub(super) async fn users(
    Extract(state): Extract<Arc<State>>,
    _: Caller,
    Room(room): Room,
    Asked(query): Asked<PageQuery>,
) -> Result<Answer<UsersShown>, Refusal> {
    // A place in the order, not a name: whoever stood there may have left.
    let after = given(query.after.as_ref()).map(Username::from_store);
    let people = state.chat.people(&room, after, query.limit()?).await?;
    Ok(Answer(UsersShown {
        users: people.users,
        user_count: people.user_count,
        next: people.next,
    }))
}
