//! The limits a client is told, in `welcome` and by `GET /server`.

use crate::domain::{PASSWORD_MAX, PASSWORD_MIN, USERNAME_MAX, USERNAME_MIN};

/// What a client may do, so that it can say so before it tries.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Characters (Unicode scalar values) of one message.
    pub message_chars: usize,
    /// Messages of one person within the window.
    pub messages: u32,
    /// Length of that window, in seconds.
    pub window_seconds: u64,
    /// Bytes of one client frame.
    pub frame_bytes: usize,
    /// Rooms one socket may have joined.
    pub rooms_per_socket: usize,
    /// How many events a position may lie behind and still be recovered.
    pub resume: u64,
    /// Fewest characters of a username.
    pub username_min: usize,
    /// Most characters of a username.
    pub username_max: usize,
    /// Fewest characters of a password.
    pub password_min: usize,
    /// Most characters of a password.
    pub password_max: usize,
}

/// The defaults of docs/protocol.md.
impl Default for Limits {
    fn default() -> Self {
        Self {
            message_chars: 500,
            messages: 20,
            window_seconds: 10,
            frame_bytes: 16 * 1024,
            rooms_per_socket: 50,
            resume: 1000,
            username_min: USERNAME_MIN,
            username_max: USERNAME_MAX,
            password_min: PASSWORD_MIN,
            password_max: PASSWORD_MAX,
        }
    }
}
