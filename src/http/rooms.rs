//! Calls about rooms and what is said in them.

mod shapes;

use std::{num::IntErrorKind, sync::Arc};

use axum::{
    Json as Answer,
    extract::{FromRequestParts, Path, State as Extract},
};
use http::{HeaderMap, StatusCode, request::Parts};
use serde::Deserialize;
use uuid::Uuid;

use self::shapes::{
    Creating, Listing, Looking, MessagesShown, NewMessage, NewRoom, Posting, Reading, ReceiptShown,
    RoomShown, RoomsShown, UsersShown,
};
use super::{
    State,
    asker::{Caller, Participant},
    body::{Asked, Json, invalid},
    openapi as api,
};
use crate::{
    auth::Identity,
    chat::Person,
    domain::{ClientId, RoomName, Seq, Username},
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
                // More than there are numbers here is more than a page all the same.
                Err(error) if *error.kind() == IntErrorKind::PosOverflow => Ok(PAGE_MAX),
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

/// Rooms by name, in pages.
#[utoipa::path(
    get, operation_id = "listRooms", path = "/rooms", tag = "rooms", security(("bearer" = [])),
    params(
        ("after" = Option<api::AfterRoom>, Query, description = "`next` of the page before"),
        ("limit" = Option<api::PageSize>, Query),
    ),
    responses((status = 200, description = "One page", body = RoomsShown), Listing),
)]
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

/// Makes a room, which everybody who is signed in may enter.
#[utoipa::path(
    post, operation_id = "createRoom", path = "/rooms", tag = "rooms", security(("bearer" = [])),
    request_body = NewRoom,
    responses((status = 201, description = "The room", body = RoomShown), Creating),
)]
pub(super) async fn create(
    Extract(state): Extract<Arc<State>>,
    _: Caller,
    Json(asked): Json<NewRoom>,
) -> Result<(StatusCode, Answer<RoomShown>), Refusal> {
    let info = state.chat.create_room(RoomName::parse(&asked.room)?).await?;
    Ok((StatusCode::CREATED, Answer(info.into())))
}

/// One room.
#[utoipa::path(
    get, operation_id = "getRoom", path = "/rooms/{room}", tag = "rooms", security(("bearer" = [])),
    params(("room" = api::RoomName, Path)),
    responses((status = 200, description = "The room", body = RoomShown), Looking),
)]
pub(super) async fn one(
    Extract(state): Extract<Arc<State>>,
    asking: Participant,
    Room(room): Room,
) -> Result<Answer<RoomShown>, Refusal> {
    asking.reading(&room)?;
    Ok(Answer(state.chat.room_info(&room).await?.into()))
}

/// What was said: the newest page, or the one before or after a message, which is not in it itself.
#[utoipa::path(
    get, operation_id = "listMessages", path = "/rooms/{room}/messages", tag = "rooms", security(("bearer" = [])),
    params(
        ("room" = api::RoomName, Path),
        ("before" = Option<api::Seq>, Query, description = "Not together with `after`"),
        ("after" = Option<api::Seq>, Query, description = "Not together with `before`"),
        ("limit" = Option<api::PageSize>, Query),
    ),
    responses((status = 200, description = "One page", body = MessagesShown), Reading),
)]
pub(super) async fn messages(
    Extract(state): Extract<Arc<State>>,
    asking: Participant,
    Room(room): Room,
    Asked(query): Asked<PageQuery>,
) -> Result<Answer<MessagesShown>, Refusal> {
    asking.reading(&room)?;
    let page = state.chat.history(&room, query.slice()?, query.limit()?).await?;
    Ok(Answer(MessagesShown {
        room,
        messages: page.events.into_iter().map(Into::into).collect(),
        last_seq: page.last_seq,
        has_more: page.has_more,
    }))
}

/// Says something. The answer comes when it is committed. Not answered? The same again, with the same id, can't appear
/// twice.
#[utoipa::path(
    post, operation_id = "postMessage", path = "/rooms/{room}/messages", tag = "rooms", security(("bearer" = [])),
    request_body = NewMessage,
    params(
        ("room" = api::RoomName, Path),
        ("Idempotency-Key" = Option<api::MessageId>, Header, description = "The message's id, if it is not in the \
            body; both must be the same"),
    ),
    responses(
        (status = 201, description = "Committed", body = ReceiptShown),
        (status = 200, description = "It had been committed before: the first answer", body = ReceiptShown),
        Posting,
    ),
)]
pub(super) async fn post(
    Extract(state): Extract<Arc<State>>,
    asking: Participant,
    Room(room): Room,
    headers: HeaderMap,
    Json(new): Json<NewMessage>,
) -> Result<(StatusCode, Answer<ReceiptShown>), Refusal> {
    let Identity { who, scope } = asking.writing(&room)?;
    let id = message_id(new.id.as_deref(), &headers)?;
    let person = Arc::new(Person {
        user: who.user,
        username: who.username,
        is_bot: scope.is_some(),
    });
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

/// Who is in the room, by name, in pages.
#[utoipa::path(
    get, operation_id = "listPeople", path = "/rooms/{room}/users", tag = "rooms", security(("bearer" = [])),
    params(
        ("room" = api::RoomName, Path),
        ("after" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<api::PageSize>, Query),
    ),
    responses((status = 200, description = "One page", body = UsersShown), Reading),
)]
pub(super) async fn users(
    Extract(state): Extract<Arc<State>>,
    asking: Participant,
    Room(room): Room,
    Asked(query): Asked<PageQuery>,
) -> Result<Answer<UsersShown>, Refusal> {
    asking.reading(&room)?;
    // A place in the order, not a name: whoever stood there may have left.
    let after = given(query.after.as_ref()).map(Username::from_store);
    let people = state.chat.people(&room, after, query.limit()?).await?;
    Ok(Answer(UsersShown {
        users: people.users,
        user_count: people.user_count,
        next: people.next,
    }))
}
