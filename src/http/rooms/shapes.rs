//! What calls about rooms say and are told, and what they may be refused with.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::openapi::{self as api, ANY, BODY, refusals};
use crate::{
    chat::RoomInfo,
    domain::{ClientId, Event, MessageBody, RoomName, Seq, Timestamp, Username},
};

/// A room, as it is shown.
#[derive(Serialize, ToSchema)]
#[schema(as = Room)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct RoomShown {
    #[schema(value_type = api::RoomName)]
    pub(super) room: RoomName,
    pub(super) user_count: usize,
    #[schema(value_type = api::Seq)]
    pub(super) last_seq: Seq,
    /// Null until something was said.
    #[schema(value_type = Option<api::Moment>, required)]
    pub(super) last_timestamp: Option<Timestamp>,
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

/// A page of rooms, by name.
#[derive(Serialize, ToSchema)]
#[schema(as = Rooms)]
pub(in crate::http) struct RoomsShown {
    pub(super) rooms: Vec<RoomShown>,
    /// `after` of the next page; null on the last.
    #[schema(value_type = Option<api::RoomName>, required)]
    pub(super) next: Option<RoomName>,
}

/// What somebody said.
#[derive(Serialize, ToSchema)]
#[schema(as = Message)]
pub(in crate::http) struct MessageShown {
    #[schema(value_type = api::Seq)]
    pub(super) seq: Seq,
    #[schema(value_type = String)]
    pub(super) id: ClientId,
    #[schema(value_type = api::KnownName)]
    pub(super) username: Username,
    #[schema(value_type = String)]
    pub(super) message: MessageBody,
    #[schema(value_type = api::Moment)]
    pub(super) timestamp: Timestamp,
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

/// A page of messages, ascending.
#[derive(Serialize, ToSchema)]
#[schema(as = Messages)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct MessagesShown {
    #[schema(value_type = api::RoomName)]
    pub(super) room: RoomName,
    pub(super) messages: Vec<MessageShown>,
    /// Of the room.
    #[schema(value_type = api::Seq)]
    pub(super) last_seq: Seq,
    /// Whether there are more in the direction that was asked for.
    pub(super) has_more: bool,
}

/// A page of the people who are in a room, by name.
#[derive(Serialize, ToSchema)]
#[schema(as = People)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct UsersShown {
    #[schema(value_type = Vec<api::KnownName>)]
    pub(super) users: Vec<Username>,
    /// Of them all.
    pub(super) user_count: usize,
    /// `after` of the next page; null on the last.
    #[schema(value_type = Option<api::KnownName>, required)]
    pub(super) next: Option<Username>,
}

/// A message was committed: it is on disk and has its number.
#[derive(Serialize, ToSchema)]
#[schema(as = Receipt)]
pub(in crate::http) struct ReceiptShown {
    #[schema(value_type = String)]
    pub(super) id: ClientId,
    #[schema(value_type = api::RoomName)]
    pub(super) room: RoomName,
    #[schema(value_type = api::Seq)]
    pub(super) seq: Seq,
    #[schema(value_type = api::Moment)]
    pub(super) timestamp: Timestamp,
}

/// A room to make.
#[derive(Deserialize, ToSchema)]
pub(in crate::http) struct NewRoom {
    #[schema(value_type = api::RoomName)]
    pub(super) room: String,
}

/// Something to say.
#[derive(Deserialize, ToSchema)]
pub(in crate::http) struct NewMessage {
    /// The server makes one if neither this nor `Idempotency-Key` is given.
    #[schema(value_type = Option<api::MessageId>)]
    pub(super) id: Option<String>,
    #[schema(value_type = api::MessageText)]
    pub(super) message: String,
}

refusals! {
    /// Of a page of rooms.
    Listing: ANY; Unauthorized, Forbidden, InvalidRequest, InvalidRoomName
}

refusals! {
    /// Of a new room.
    Creating: ANY, BODY; Unauthorized, Forbidden, InvalidRoomName, RoomTaken, OutcomeUnknown
}

refusals! {
    /// Of one room.
    Looking: ANY; Unauthorized, Forbidden, RoomNotFound
}

refusals! {
    /// Of a page of what is in a room.
    Reading: ANY; Unauthorized, Forbidden, InvalidRequest, RoomNotFound
}

refusals! {
    /// Of a message.
    Posting: ANY, BODY;
    Unauthorized, Forbidden, InvalidId, MessageEmpty, MessageTooLong, RoomNotFound, IdConflict, OutcomeUnknown
}
