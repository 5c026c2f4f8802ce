//! What a member has to say to each of the contenders, and how a message looks that comes back.

use bytes::Bytes;

use crate::frames::{Frame, TEXT};

#[derive(Debug, Clone, Copy)]
pub(crate) enum Speech {
    /// Dialect `v1`, let in by a token.
    Chorus,
    /// The predecessor's frames, let in by a name.
    Predecessor,
    /// Socket.IO's packets in Engine.IO's, WebSocket from the start; let in by a name.
    SocketIo,
}

impl Speech {
    /// The upgrade of one who is let in by this.
    pub(crate) fn request(self, credential: &str) -> String {
        let (path, more) = match self {
            Self::Chorus => (
                "/ws".to_owned(),
                format!("Sec-WebSocket-Protocol: chorus.v1\r\nAuthorization: Bearer {credential}\r\n"),
            ),
            Self::Predecessor => (format!("/?name={credential}"), String::new()),
            Self::SocketIo => (
                format!("/socket.io/?EIO=4&transport=websocket&name={credential}"),
                String::new(),
            ),
        };
        format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
        )
    }

    /// How one comes into the room after the upgrade: what begins so is awaited, then this is said.
    pub(crate) const fn entrance(self) -> &'static [(&'static str, Option<&'static str>)] {
        match self {
            Self::Chorus => &[
                (r#"{"type":"welcome""#, Some(r#"{"type":"join","room":"lobby"}"#)),
                (r#"{"type":"joined""#, None),
            ],
            Self::Predecessor => &[],
            Self::SocketIo => &[("0{", Some("40")), ("40{", None)],
        }
    }

    /// The frame that says this to everybody. The number makes Chorus's id of it.
    pub(crate) fn says(self, text: &str, number: u64) -> String {
        match self {
            Self::Chorus => {
                format!(r#"{{"type":"message","room":"lobby","id":"said-{number:012}","message":"{text}"}}"#)
            }
            Self::Predecessor => format!(r#"{{"type":"chat","message":"{text}"}}"#),
            Self::SocketIo => format!(r#"42["message","{text}"]"#),
        }
    }

    pub(crate) fn is_message(self, frame: &Frame) -> bool {
        let begins: &[u8] = match self {
            Self::Chorus | Self::Predecessor => br#"{"type":"message""#,
            Self::SocketIo => br#"42["message""#,
        };
        frame.opcode == TEXT && frame.payload.starts_with(begins)
    }

    /// The answer to a ping that is a text.
    pub(crate) fn pong(self, text: &Bytes) -> Option<&'static str> {
        (matches!(self, Self::SocketIo) && &text[..] == b"2").then_some("3")
    }
}
