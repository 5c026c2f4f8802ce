//! What fuzzing says to a socket: any bytes, cut anywhere, held against a second reader that is as plain as
//! RFC 6455 allows because it has all the bytes at once.

use super::reader::{FRAME_BYTES, Heard, Reader};

const PROTOCOL: Heard = Heard::Bad(1002, "protocol error");
const BINARY: Heard = Heard::Bad(1003, "text only");
const NO_TEXT: Heard = Heard::Bad(1007, "not UTF-8");
const TOO_BIG: Heard = Heard::Bad(1009, "too big");

/// However bytes are cut, the same is heard, what RFC 6455 says; and where nothing is under way nothing is held.
/// The first byte is the size of the pieces.
pub fn reading(bytes: &[u8]) -> bool {
    let Some((&size, bytes)) = bytes.split_first() else { return false };
    let expected = Plain { rest: bytes, begun: None }.heard();
    for size in [usize::from(size), bytes.len()] {
        assert_eq!(heard(size.max(1), bytes), expected, "in pieces of {size}");
    }
    !matches!(expected.0.last(), None | Some(Heard::Bad(..)))
}

/// What is heard until the end, or until the socket would be closed; and whether nothing is under way then.
fn heard(size: usize, bytes: &[u8]) -> (Vec<Heard>, bool) {
    let (mut reader, mut all) = (Reader::default(), Vec::new());
    for mut piece in bytes.chunks(size) {
        loop {
            match reader.next(&mut piece) {
                Heard::Nothing => break,
                last @ (Heard::Close(_) | Heard::Bad(..)) => {
                    all.push(last);
                    return (all, false);
                }
                heard => all.push(heard),
            }
        }
        assert!(piece.is_empty(), "{} bytes were left", piece.len());
    }
    (all, reader.holds_nothing())
}

/// The second reader.
struct Plain<'a> {
    rest: &'a [u8],
    /// Of a message in fragments: its kind, and what has come of it.
    begun: Option<(u8, Vec<u8>)>,
}

struct Frame {
    first: u8,
    masked: bool,
    payload: Vec<u8>,
}

impl Plain<'_> {
    /// As [`heard`].
    fn heard(mut self) -> (Vec<Heard>, bool) {
        let mut all = Vec::new();
        while let Some(frame) = self.frame() {
            let heard = frame.map_or_else(Some, |frame| self.meaning(frame));
            let is_last = matches!(heard, Some(Heard::Close(_) | Heard::Bad(..)));
            all.extend(heard);
            if is_last {
                return (all, false);
            }
        }
        (all, self.rest.is_empty() && self.begun.is_none())
    }

    /// The next frame, or why there can be none; nothing while it is not whole. (Section 5.2.)
    fn frame(&mut self) -> Option<Result<Frame, Heard>> {
        let mut rest = self.rest;
        let [first, second] = cut(&mut rest)?;
        let length = match second & 0x7f {
            126 => u64::from(u16::from_be_bytes(cut(&mut rest)?)),
            127 => u64::from_be_bytes(cut(&mut rest)?),
            short => u64::from(short),
        };
        let masked = second & 0x80 != 0;
        let mask = if masked { cut(&mut rest)? } else { [0; 4] };
        if first & 0x07 > 2 {
            return Some(Err(PROTOCOL));
        }
        let Some(length) = usize::try_from(length).ok().filter(|length| *length <= FRAME_BYTES) else {
            return Some(Err(TOO_BIG));
        };
        let (payload, rest) = rest.split_at_checked(length)?;
        self.rest = rest;
        let payload = payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
        Some(Ok(Frame { first, masked, payload }))
    }

    /// What it says, if a message ends with it. (Sections 5.1, 5.4, 5.5 and 5.6.)
    fn meaning(&mut self, frame: Frame) -> Option<Heard> {
        let (is_final, reserved, kind) = (frame.first & 0x80 != 0, frame.first & 0x70, frame.first & 0x0f);
        if !frame.masked || reserved != 0 {
            return Some(PROTOCOL);
        }
        if kind & 0x08 != 0 {
            let fits = is_final && frame.payload.len() <= 125;
            return Some(if fits { control(kind, frame.payload) } else { PROTOCOL });
        }
        let (kind, mut said) = match (kind, self.begun.take()) {
            (0, Some(begun)) => begun,
            (0, None) | (_, Some(_)) => return Some(PROTOCOL),
            (kind, None) => (kind, Vec::new()),
        };
        said.extend(frame.payload);
        if said.len() > FRAME_BYTES {
            return Some(TOO_BIG);
        }
        let is_text = kind == 1;
        if is_text && is_wrong(&said) {
            Some(NO_TEXT)
        } else if !is_final {
            self.begun = Some((kind, said));
            None
        } else if is_text {
            Some(String::from_utf8(said).map_or(NO_TEXT, |text| Heard::Text(text.into())))
        } else {
            Some(BINARY)
        }
    }
}

/// Cuts off as many bytes as are wanted.
fn cut<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (front, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(*front)
}

/// Whether this can't become UTF-8 any more, whatever follows.
fn is_wrong(bytes: &[u8]) -> bool {
    str::from_utf8(bytes).is_err_and(|error| error.error_len().is_some())
}

fn control(kind: u8, payload: Vec<u8>) -> Heard {
    match (kind, &*payload) {
        (9, _) => Heard::Ping(payload.into()),
        (10, _) => Heard::Pong,
        (_, []) => Heard::Close(None),
        (_, [_]) => PROTOCOL,
        (_, [_, _, reason @ ..]) if str::from_utf8(reason).is_err() => NO_TEXT,
        (_, [high, low, ..]) => {
            let code = u16::from_be_bytes([*high, *low]);
            // Section 7.4, and what IANA has added to it. Any other is answered as a broken rule.
            let known = matches!(code, 1000..=1003 | 1007..=1013 | 3000..=4999);
            Heard::Close(Some(if known { code } else { 1002 }))
        }
    }
}
