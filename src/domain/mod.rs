//! The nouns of chat, parsed once at the edge and trusted from there on.
//!
//! Untrusted text becomes a type here or is refused with the reason; nothing in this room waits,
//! reads a clock or knows another room of the house.

mod body;
mod client_id;
mod event;
mod health;
mod ids;
mod password;
mod room_name;
mod scope;
mod shared_text;
mod timestamp;
mod username;

pub use body::{InvalidBody, MessageBody};
pub use client_id::{ClientId, InvalidClientId};
pub use event::{Event, Position, Seq};
pub use health::PEER_HEALTH_TTL;
pub use ids::{RoomId, SignInId, UserId};
pub use password::{InvalidPassword, PASSWORD_MAX, PASSWORD_MIN, Password};
pub use room_name::{InvalidRoomName, RoomName};
pub use scope::{InvalidScope, SCOPE_ROOMS_MAX, Scope};
pub use timestamp::Timestamp;
pub use username::{InvalidUsername, USERNAME_MAX, USERNAME_MIN, Username};
