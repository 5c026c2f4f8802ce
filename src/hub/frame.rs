//! WebSocket frames as a server sends them (RFC 6455, section 5.2): whole, and not masked, so all
//! receivers share the same bytes.

use bytes::{BufMut, Bytes, BytesMut};

const FIN: u8 = 0x80;
const TEXT: u8 = 0x1;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;

/// Most bytes in a control frame.
const CONTROL_MAX: usize = 125;

/// A text frame.
pub fn text(json: &str) -> Bytes {
    whole(TEXT, json.as_bytes())
}

/// A close frame; a reason of more than 123 bytes is cut.
pub fn close(code: u16, reason: &str) -> Bytes {
    let mut end = reason.len().min(CONTROL_MAX - 2);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    let mut payload = BytesMut::with_capacity(CONTROL_MAX);
    payload.put_u16(code);
    payload.put_slice(&reason.as_bytes()[..end]);
    whole(CLOSE, &payload)
}

/// A close frame that gives no code, as the answer to one that gave none.
pub const fn close_plain() -> Bytes {
    Bytes::from_static(&[FIN | CLOSE, 0])
}

/// An empty ping.
pub const fn ping() -> Bytes {
    Bytes::from_static(&[FIN | PING, 0])
}

/// Appends the answer to a ping. Pings carry at most 125 bytes; what is beyond is cut.
pub fn put_pong(frames: &mut BytesMut, payload: &[u8]) {
    put(frames, PONG, &payload[..payload.len().min(CONTROL_MAX)]);
}

fn whole(opcode: u8, payload: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(payload.len() + 10);
    put(&mut frame, opcode, payload);
    frame.freeze()
}

fn put(frame: &mut BytesMut, opcode: u8, payload: &[u8]) {
    frame.put_u8(FIN | opcode);
    match payload.len() {
        // Both casts are exact: the arm says so.
        #[expect(clippy::cast_possible_truncation, reason = "at most 125")]
        short @ 0..=125 => frame.put_u8(short as u8),
        #[expect(clippy::cast_possible_truncation, reason = "at most 65,535")]
        medium @ 126..=0xffff => {
            frame.put_u8(126);
            frame.put_u16(medium as u16);
        }
        long => {
            frame.put_u8(127);
            frame.put_u64(long as u64);
        }
    }
    frame.put_slice(payload);
}

/// Where, in a run of whole frames, the frame ends that holds byte `at` (or, when a frame begins
/// right there, `at` itself). Used to stop after a half-written frame without breaking it.
pub fn boundary(frames: &[u8], at: usize) -> usize {
    let mut end = 0;
    while end < at {
        match frames.get(end..).and_then(length) {
            Some(length) => end += length,
            None => return frames.len(),
        }
    }
    end.min(frames.len())
}

/// The length of the frame that begins here, its header included.
fn length(frame: &[u8]) -> Option<usize> {
    let payload = match frame.get(1)? & 0x7f {
        126 => 4 + usize::from(u16::from_be_bytes(frame.get(2..4)?.try_into().ok()?)),
        127 => {
            10usize.checked_add(u64::from_be_bytes(frame.get(2..10)?.try_into().ok()?).try_into().ok()?)?
        }
        short => 2 + usize::from(short),
    };
    Some(payload)
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read, Write};

    use proptest::prelude::*;
    use tungstenite::{Message, protocol::Role, protocol::WebSocketContext};

    use super::*;

    struct Wire<'a>(&'a [u8]);

    impl Read for Wire<'_> {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            self.0.read(buf)
        }
    }

    impl Write for Wire<'_> {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            Ok(buf.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What a client (tungstenite) reads.
    fn read(frames: &[u8], count: usize) -> Vec<Message> {
        let mut wire = Wire(frames);
        let mut client = WebSocketContext::new(Role::Client, None);
        let messages = (0..count).map(|_| client.read(&mut wire).unwrap()).collect();
        assert!(wire.0.is_empty());
        messages
    }

    #[test]
    fn every_length_is_encoded_as_a_client_expects() {
        for length in [0, 1, 125, 126, 127, 65_535, 65_536, 100_000] {
            let text = "x".repeat(length);
            assert_eq!(read(&super::text(&text), 1), [Message::text(text)]);
        }
    }

    #[test]
    fn control_frames_are_read_as_such() {
        let mut pong = BytesMut::new();
        put_pong(&mut pong, b"abc");
        assert_eq!(read(&pong, 1), [Message::Pong("abc".into())]);
        assert_eq!(read(&ping(), 1), [Message::Ping(Bytes::new())]);
        assert_eq!(read(&close_plain(), 1), [Message::Close(None)]);
        let long = "ä".repeat(100);
        let [Message::Close(Some(frame))] = &read(&close(1013, &long), 1)[..] else {
            panic!("no close frame")
        };
        assert_eq!(u16::from(frame.code), 1013);
        assert_eq!(frame.reason.as_str(), "ä".repeat(61));
    }

    proptest! {
        #[test]
        fn boundaries_are_the_ends_of_frames(lengths in prop::collection::vec(0usize..300, 1..8), cut in any::<prop::sample::Index>()) {
            let frames: Vec<_> = lengths.iter().map(|n| text(&"x".repeat(*n))).collect();
            let ends: Vec<_> = frames.iter().scan(0, |end, frame| { *end += frame.len(); Some(*end) }).collect();
            let all = frames.concat();
            let at = cut.index(all.len() + 1);
            let expected = if at == 0 { 0 } else { *ends.iter().find(|end| **end >= at).unwrap() };
            prop_assert_eq!(boundary(&all, at), expected);
            prop_assert_eq!(read(&all, frames.len()).len(), frames.len());
        }

        #[test]
        fn boundaries_of_anything_lie_within(bytes in any::<Vec<u8>>(), at in 0usize..100) {
            prop_assert!(boundary(&bytes, at) <= bytes.len());
        }
    }
}
