//! WebSocket frames by hand, from both sides, and the ear: a reader that counts messages in
//! whatever a server sends, however it is cut.
//!
//! Every message says [`MARK`] once. The ear counts marks and not frames, because some servers put
//! several messages into a frame; it follows the frames only to find pings and closes between them.

/// Stands in every message once, and in nothing else that is sent.
pub const MARK: &str = "^^";

/// Opcode of a text frame.
pub const TEXT: u8 = 1;
/// Opcode of a binary frame.
pub const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// The longest payload of a ping or a close.
const CONTROL: usize = 125;

/// A frame as a client sends it. The mask is zero, so the payload stands as it is.
pub fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    frame(opcode, payload, true)
}

/// The answer to a ping.
pub fn pong(payload: &[u8]) -> Vec<u8> {
    frame(PONG, payload, true)
}

/// A frame as a server sends it.
pub fn plain(opcode: u8, payload: &[u8]) -> Vec<u8> {
    frame(opcode, payload, false)
}

fn frame(opcode: u8, payload: &[u8], masked: bool) -> Vec<u8> {
    let mut frame = Vec::with_capacity(payload.len() + 14);
    let bit = if masked { 0x80 } else { 0 };
    frame.push(0x80 | opcode);
    match u16::try_from(payload.len()) {
        Ok(length @ 126..) => {
            frame.push(bit + 126);
            frame.extend_from_slice(&length.to_be_bytes());
        }
        Ok(length) => frame.push(bit + length.to_be_bytes()[1]),
        Err(_) => {
            frame.push(bit + 127);
            frame.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    if masked {
        frame.extend_from_slice(&[0; 4]);
    }
    frame.extend_from_slice(payload);
    frame
}

/// Takes the first whole frame out of what was read: its opcode and its payload, unmasked.
pub fn take(read: &mut Vec<u8>) -> Option<(u8, Vec<u8>)> {
    let (length, mut head) = length(read)?;
    let mask = if read.get(1)? & 0x80 == 0 {
        None
    } else {
        let mask: [u8; 4] = read.get(head..head + 4)?.try_into().ok()?;
        head += 4;
        Some(mask)
    };
    let end = head.checked_add(usize::try_from(length).ok()?)?;
    let mut payload = read.get(head..end)?.to_vec();
    for (byte, mask) in payload.iter_mut().zip(mask.iter().flatten().cycle()) {
        *byte ^= mask;
    }
    let opcode = read.first()? & 0x0f;
    read.drain(..end);
    Some((opcode, payload))
}

/// The payload's length and where it stands behind, once the head is there (a mask not counted).
fn length(head: &[u8]) -> Option<(u64, usize)> {
    Some(match head.get(1)? & 0x7f {
        126 => (u16::from_be_bytes(head.get(2..4)?.try_into().ok()?).into(), 4),
        127 => (u64::from_be_bytes(head.get(2..10)?.try_into().ok()?), 10),
        short => (short.into(), 2),
    })
}

/// What an ear heard in one piece of bytes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Marks that were whole.
    pub messages: u64,
    /// The payloads of pings, to be answered.
    pub pings: Vec<Vec<u8>>,
    /// Whether the server said goodbye.
    pub closed: bool,
}

/// Where one socket's reader stands.
#[derive(Debug, Default)]
pub struct Ear {
    head: [u8; 10],
    /// So many bytes of the head are there.
    have: usize,
    /// So many bytes of the payload are still to come.
    left: u64,
    opcode: u8,
    /// Half a mark was the last thing heard.
    half: bool,
    control: Vec<u8>,
}

impl Ear {
    /// Hears the next bytes of the stream; adds to `heard`.
    pub fn hear(&mut self, mut bytes: &[u8], heard: &mut Heard) {
        while let Some(first) = bytes.first() {
            if self.left == 0 {
                self.head[self.have] = *first;
                self.have += 1;
                bytes = &bytes[1..];
                if let Some((length, _)) = length(&self.head[..self.have]) {
                    self.opcode = self.head[0] & 0x0f;
                    (self.have, self.left) = (0, length);
                    self.end_of_frame(heard);
                }
            } else {
                let count = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
                let (now, later) = bytes.split_at(count);
                self.payload(now, heard);
                self.left -= count as u64;
                bytes = later;
                self.end_of_frame(heard);
            }
        }
    }

    fn payload(&mut self, bytes: &[u8], heard: &mut Heard) {
        if self.opcode >= CLOSE {
            let room = CONTROL.saturating_sub(self.control.len());
            self.control.extend_from_slice(&bytes[..bytes.len().min(room)]);
        } else {
            heard.messages += marks(bytes, &mut self.half);
        }
    }

    fn end_of_frame(&mut self, heard: &mut Heard) {
        if self.left > 0 || self.opcode < CLOSE {
            return;
        }
        match self.opcode {
            PING => heard.pings.push(std::mem::take(&mut self.control)),
            CLOSE => heard.closed = true,
            _ => self.control.clear(),
        }
    }
}

/// How many marks end in these bytes; `half` is whether the bytes before ended with half of one.
fn marks(bytes: &[u8], half: &mut bool) -> u64 {
    let mut count = 0;
    // Where the second half would have to stand.
    let mut awaited = half.then_some(0);
    for at in memchr::memchr_iter(MARK.as_bytes()[0], bytes) {
        if awaited == Some(at) {
            count += 1;
            awaited = None;
        } else {
            awaited = Some(at + 1);
        }
    }
    *half = awaited == Some(bytes.len());
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two messages in one frame, a ping between the frames, a long one, half marks, and a close.
    fn stream() -> Vec<u8> {
        let long = format!("{}{MARK}{}", "y".repeat(70_000), "z".repeat(300));
        let mut stream = plain(TEXT, br#"{"a":"^^1"}{"b":"^^2"}"#);
        stream.extend(plain(PING, b"are you there"));
        stream.extend(plain(PING, b""));
        stream.extend(plain(TEXT, long.as_bytes()));
        stream.extend(plain(BINARY, b"^ ^ ^"));
        stream.extend(plain(TEXT, b"x^^^^"));
        stream.extend(plain(CLOSE, &[3, 232]));
        stream
    }

    #[test]
    fn an_ear_counts_the_same_wherever_the_stream_is_cut() {
        let stream = stream();
        for size in [1, 2, 3, 7, 126, 4096, stream.len()] {
            let (mut ear, mut heard) = (Ear::default(), Heard::default());
            for piece in stream.chunks(size) {
                ear.hear(piece, &mut heard);
            }
            let pings = vec![b"are you there".to_vec(), Vec::new()];
            // Half marks that meet over a frame's end are one, so the third frame's last half
            // would count with a half in the next; there is an x before it.
            assert_eq!(heard, Heard { messages: 5, pings, closed: true }, "in pieces of {size}");
        }
    }

    #[test]
    fn a_mark_counts_in_the_piece_where_it_ends() {
        let frame = plain(TEXT, b"a^^b");
        let (mut ear, mut heard) = (Ear::default(), Heard::default());
        ear.hear(&frame[..4], &mut heard);
        assert_eq!(heard.messages, 0);
        ear.hear(&frame[4..5], &mut heard);
        assert_eq!(heard.messages, 1);
        ear.hear(&frame[5..], &mut heard);
        assert_eq!(heard.messages, 1);
    }

    #[test]
    fn what_a_client_sends_is_taken_whole_and_unmasked() {
        for size in [0, 125, 126, 65_535, 65_536] {
            let payload = vec![b'x'; size];
            let mut read = masked(TEXT, &payload);
            let last = read.pop();
            assert_eq!(take(&mut read), None, "{size} without its end");
            read.extend(last);
            read.push(7);
            assert_eq!(take(&mut read), Some((TEXT, payload)), "{size}");
            assert_eq!(read, [7]);
        }
        let mut read = vec![0x81, 0x82, 1, 2, 3, 4, b'h' ^ 1, b'i' ^ 2];
        assert_eq!(take(&mut read), Some((TEXT, b"hi".to_vec())));
    }
}
