//! How one comes into each chat and speaks there. What is heard needs no dialect: see the ear.

use crate::frames::{self, BINARY, TEXT};

/// A dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speech {
    /// Chorus's `v1`; a credential is a token.
    Chorus,
    /// The same, but nobody goes into a room.
    ChorusAtTheDoor,
    /// The predecessor's frames.
    Predecessor,
    /// Engine.IO 4 over WebSocket from the start, and Socket.IO in it.
    SocketIo,
    /// Whatever is said is what is heard: the room is in the path.
    Raw,
    /// NATS' own protocol in binary frames; the room is a subject.
    Nats,
}

/// One's way in: the request, and then what is awaited and what is said upon it.
#[derive(Debug)]
pub struct Way {
    /// The upgrade's request.
    pub request: String,
    /// In turn: a frame that begins with this is awaited, then this frame is sent.
    pub steps: Vec<(&'static [u8], Option<Vec<u8>>)>,
}

impl Speech {
    /// The way of somebody into a room.
    pub fn way(self, credential: &str, room: &str) -> Way {
        let (path, more) = match self {
            Self::Chorus | Self::ChorusAtTheDoor => (
                "/ws".to_owned(),
                format!("Sec-WebSocket-Protocol: chorus.v1\r\nAuthorization: Bearer {credential}\r\n"),
            ),
            Self::Predecessor => (format!("/?name={credential}&room={room}"), String::new()),
            Self::SocketIo => (
                format!("/socket.io/?EIO=4&transport=websocket&name={credential}&room={room}"),
                String::new(),
            ),
            Self::Raw => (format!("/room/{room}"), String::new()),
            Self::Nats => ("/".to_owned(), String::new()),
        };
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n"
        );
        Way { request, steps: self.steps(room) }
    }

    fn steps(self, room: &str) -> Vec<(&'static [u8], Option<Vec<u8>>)> {
        match self {
            Self::Chorus => {
                let join = format!(r#"{{"type":"join","room":"{room}"}}"#);
                vec![
                    (br#"{"type":"welcome""#, Some(frames::masked(TEXT, join.as_bytes()))),
                    (br#"{"type":"joined""#, None),
                ]
            }
            Self::ChorusAtTheDoor => vec![(br#"{"type":"welcome""#, None)],
            Self::Predecessor | Self::Raw => Vec::new(),
            Self::SocketIo => vec![(b"0{", Some(frames::masked(TEXT, b"40"))), (b"40{", None)],
            Self::Nats => {
                let hello = format!("CONNECT {{\"verbose\":false}}\r\nSUB {room} 1\r\nPING\r\n");
                vec![
                    (b"INFO ", Some(frames::masked(BINARY, hello.as_bytes()))),
                    (b"PONG", None),
                ]
            }
        }
    }

    /// What a server says when it does not do as it is asked; without it one would wait for a message
    /// that never comes. Only Chorus says so in a frame.
    pub fn refusal(self, bytes: &[u8]) -> Option<String> {
        let begins = match self {
            Self::Chorus | Self::ChorusAtTheDoor => br#"{"type":"error""#,
            _ => return None,
        };
        let at = memchr::memmem::find(bytes, begins)?;
        let said = bytes[at..].iter().take(200).take_while(|it| **it != b'}');
        Some(String::from_utf8_lossy(&said.copied().collect::<Vec<u8>>()).into_owned())
    }

    /// Whether a sender is told that its message is kept. Only Chorus keeps any.
    pub const fn acknowledges(self) -> bool {
        matches!(self, Self::Chorus | Self::ChorusAtTheDoor)
    }

    /// How often a sender is told that in these bytes.
    pub fn acks(self, bytes: &[u8]) -> u64 {
        if self.acknowledges() {
            memchr::memmem::find_iter(bytes, br#"{"type":"ack""#).count() as u64
        } else {
            0
        }
    }

    /// The frame that says this to everybody in the room. The number makes Chorus's id of it.
    pub fn says(self, room: &str, text: &str, number: u64) -> Vec<u8> {
        let text = match self {
            Self::Chorus | Self::ChorusAtTheDoor => {
                format!(r#"{{"type":"message","room":"{room}","id":"said-{number:012}","message":"{text}"}}"#)
            }
            Self::Predecessor => format!(r#"{{"type":"chat","message":"{text}"}}"#),
            Self::SocketIo => format!(r#"42["message","{text}"]"#),
            Self::Raw => text.to_owned(),
            Self::Nats => {
                let said = format!("PUB {room} {}\r\n{text}\r\n", text.len());
                return frames::masked(BINARY, said.as_bytes());
            }
        };
        frames::masked(TEXT, text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_of_chorus_is_found_among_other_frames() {
        let said = br#"..{"type":"ack","id":"1"}..{"type":"error","code":"unavailable"}.."#;
        assert_eq!(Speech::Chorus.refusal(said).unwrap(), r#"{"type":"error","code":"unavailable""#);
        assert_eq!(Speech::Raw.refusal(said), None);
        assert_eq!(Speech::Chorus.refusal(br#"{"type":"message","message":"error"}"#), None);
    }

    #[test]
    fn acknowledgements_of_chorus_are_counted() {
        let said = br#"..{"type":"ack","id":"1"}..{"type":"message"}..{"type":"ack","id":"2"}"#;
        assert_eq!(Speech::Chorus.acks(said), 2);
        assert_eq!(Speech::Raw.acks(said), 0);
    }
}
