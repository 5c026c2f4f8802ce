//! Bytes in, messages out: tungstenite's reading half over slices that somebody else has read.
//!
//! The codec exists only while a message is under way: at rest (see [`Boundary`]) it is dropped
//! with all its buffers, so an idle connection holds none, whatever it has once received. What the
//! codec wants to write (pongs, the answer to a Close) is not written; the connection answers
//! itself, in order with everything else.

use std::io::{self, Read, Write};

use bytes::Bytes;
use tungstenite::{
    Error, Message, Utf8Bytes,
    protocol::{Role, WebSocketConfig, WebSocketContext},
};

use super::boundary::Boundary;

/// Most bytes of a frame's payload, and of a message that comes in fragments.
pub const FRAME_BYTES: usize = 16 * 1024;

/// Bytes the codec takes from the slice at once.
const CODEC_READ: usize = 1024;

/// Something a client did.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Nothing more until more bytes come.
    Nothing,
    /// It said this.
    Text(Utf8Bytes),
    /// It wants to know whether we live.
    Ping(Bytes),
    /// It lives.
    Pong,
    /// It closes, with this code.
    Close(Option<u16>),
    /// It broke the rules: close with this code.
    Bad(u16, &'static str),
}

/// Reads one connection.
#[derive(Debug, Default)]
pub(super) struct Reader {
    codec: Option<Box<WebSocketContext>>,
    boundary: Boundary,
}

impl Reader {
    /// The next thing in these bytes; what is taken is cut off their front. After
    /// [`Heard::Close`] or [`Heard::Bad`] it must not be asked again.
    pub(super) fn next(&mut self, bytes: &mut &[u8]) -> Heard {
        let codec = self.codec.get_or_insert_with(|| {
            let config = WebSocketConfig::default()
                .read_buffer_size(CODEC_READ)
                .max_message_size(Some(FRAME_BYTES))
                .max_frame_size(Some(FRAME_BYTES));
            Box::new(WebSocketContext::new(Role::Server, Some(config)))
        });
        let mut feed = Feed { bytes, boundary: &mut self.boundary };
        let heard = match codec.read(&mut feed) {
            Ok(Message::Text(text)) => Heard::Text(text),
            Ok(Message::Ping(payload)) => Heard::Ping(payload),
            Ok(Message::Pong(_) | Message::Frame(_)) => Heard::Pong,
            Ok(Message::Binary(_)) => Heard::Bad(1003, "text only"),
            Ok(Message::Close(frame)) => Heard::Close(frame.map(|frame| frame.code.into())),
            Err(error) => heard_in(&error),
        };
        if heard == Heard::Nothing && self.boundary.is_at_rest() {
            self.codec = None;
        }
        heard
    }

    /// Whether it has let go of everything.
    #[cfg(any(test, fuzzing))]
    pub(super) const fn holds_nothing(&self) -> bool {
        self.codec.is_none()
    }
}

fn heard_in(error: &Error) -> Heard {
    match error {
        Error::Io(error) if error.kind() == io::ErrorKind::WouldBlock => Heard::Nothing,
        Error::Capacity(_) => Heard::Bad(1009, "too big"),
        Error::Utf8(_) => Heard::Bad(1007, "not UTF-8"),
        _ => Heard::Bad(1002, "protocol error"),
    }
}

/// The slice as the codec sees it: a stream that blocks at its end, and takes and forgets what is
/// written.
struct Feed<'a, 'b> {
    bytes: &'a mut &'b [u8],
    boundary: &'a mut Boundary,
}

impl Read for Feed<'_, '_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.bytes.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = self.bytes.read(buf)?;
        self.boundary.pass(&buf[..count]);
        Ok(count)
    }
}

impl Write for Feed<'_, '_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
