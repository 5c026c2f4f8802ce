//! WebSocket frames from the client's side, by hand: a client library would cost more than the
//! node that is measured.

use bytes::{Buf, BufMut, Bytes, BytesMut};

pub(crate) const TEXT: u8 = 1;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
const PONG: u8 = 10;

/// What came, whole.
pub(crate) struct Frame {
    pub(crate) opcode: u8,
    pub(crate) payload: Bytes,
}

impl Frame {
    /// Whether it is the text frame of this type; the type always comes first.
    pub(crate) fn is(&self, kind: &str) -> bool {
        let typed = self.payload.strip_prefix(b"{\"type\":\"");
        self.opcode == TEXT
            && typed
                .and_then(|it| it.strip_prefix(kind.as_bytes()))
                .is_some_and(|it| it.starts_with(b"\""))
    }
}

/// Takes the first whole frame out of what was read.
pub(crate) fn take(read: &mut BytesMut) -> Option<Frame> {
    let opcode = read.first()? & 0x0f;
    let (head, length) = match read.get(1)? & 0x7f {
        126 => (4, usize::from(u16::from_be_bytes(read.get(2..4)?.try_into().ok()?))),
        127 => (10, usize::try_from(u64::from_be_bytes(read.get(2..10)?.try_into().ok()?)).ok()?),
        short => (2, usize::from(short)),
    };
    if read.len() < head + length {
        return None;
    }
    read.advance(head);
    Some(Frame { opcode, payload: read.split_to(length).freeze() })
}

/// A text frame as a client sends it. The mask is zero, so the payload stands as it is.
pub(crate) fn masked_text(text: &str) -> Bytes {
    frame(TEXT, text.as_bytes())
}

/// The answer to a ping.
pub(crate) fn masked_pong(payload: &[u8]) -> Bytes {
    frame(PONG, payload)
}

fn frame(opcode: u8, payload: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(payload.len() + 14);
    frame.put_u8(0x80 | opcode);
    match u16::try_from(payload.len()) {
        Ok(length @ 126..) => {
            frame.put_u8(0x80 + 126);
            frame.put_u16(length);
        }
        Ok(length) => frame.put_u8(0x80 + length.to_be_bytes()[1]),
        Err(_) => {
            frame.put_u8(0x80 + 127);
            frame.put_u64(payload.len() as u64);
        }
    }
    frame.put_u32(0);
    frame.put_slice(payload);
    frame.freeze()
}
