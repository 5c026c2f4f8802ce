//! Where frames end in a stream of bytes: tells when nothing of a message is under way, so that an
//! idle connection can let go of everything it needs for reading.
//!
//! It trusts nothing and checks nothing; that is the reader's part. It only counts.

/// Follows the frames of one client (RFC 6455, section 5.2).
#[derive(Debug, Default)]
pub(super) struct Boundary {
    /// Bytes of the current frame's payload and mask that are still to come.
    left: u64,
    /// The header so far; its mask is counted with the payload.
    head: [u8; 10],
    have: u8,
    /// Whether a fragmented message is under way.
    fragmented: bool,
}

impl Boundary {
    /// Whether everything so far is whole messages.
    pub(super) const fn is_at_rest(&self) -> bool {
        self.have == 0 && self.left == 0 && !self.fragmented
    }

    /// Follows these bytes.
    pub(super) fn pass(&mut self, mut bytes: &[u8]) {
        while let Some((&byte, rest)) = bytes.split_first() {
            if self.left > 0 {
                let skipped = bytes.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
                self.left -= skipped as u64;
                bytes = &bytes[skipped..];
            } else {
                bytes = rest;
                self.head(byte);
            }
        }
    }

    fn head(&mut self, byte: u8) {
        if let Some(slot) = self.head.get_mut(usize::from(self.have)) {
            *slot = byte;
            self.have += 1;
        }
        let [first, second, extended @ ..] = self.head;
        let (size, length) = match second & 0x7f {
            126 => (4, u64::from(u16::from_be_bytes([extended[0], extended[1]]))),
            127 => (10, u64::from_be_bytes(extended)),
            short => (2, u64::from(short)),
        };
        if self.have < size || self.have < 2 {
            return;
        }
        let mask = if second & 0x80 == 0 { 0 } else { 4 };
        self.left = length.saturating_add(mask);
        self.have = 0;
        let is_control = first & 0x08 != 0;
        if !is_control {
            self.fragmented = first & 0x80 == 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A masked frame.
    fn frame(first: u8, length: usize) -> Vec<u8> {
        let mut bytes = vec![first];
        match length {
            0..126 => bytes.push(0x80 | u8::try_from(length).unwrap()),
            126..65_536 => {
                bytes.push(0xfe);
                bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            _ => {
                bytes.push(0xff);
                bytes.extend((length as u64).to_be_bytes());
            }
        }
        bytes.extend(vec![0x7f; 4 + length]);
        bytes
    }

    proptest! {
        #[test]
        fn it_rests_exactly_between_messages(
            messages in prop::collection::vec(
                (prop::collection::vec(prop_oneof![0usize..200, 60_000usize..70_000], 1..4), any::<bool>()), 1..5),
            cut in 1usize..5000,
        ) {
            let mut bytes = Vec::new();
            let mut rests = vec![0];
            for (fragments, pinged) in &messages {
                for (index, length) in fragments.iter().enumerate() {
                    let fin = if index + 1 == fragments.len() { 0x80 } else { 0 };
                    bytes.extend(frame(fin | u8::from(index == 0), *length));
                    if *pinged {
                        // Between the fragments, and after the last one.
                        if fin != 0 { rests.push(bytes.len()); }
                        bytes.extend(frame(0x89, 5));
                    }
                }
                rests.push(bytes.len());
            }
            let mut boundary = Boundary::default();
            let mut at = 0;
            for piece in bytes.chunks(cut) {
                boundary.pass(piece);
                at += piece.len();
                prop_assert_eq!(boundary.is_at_rest(), rests.contains(&at), "at {}", at);
            }
        }

        #[test]
        fn any_bytes_are_followed(bytes in any::<Vec<u8>>()) {
            Boundary::default().pass(&bytes);
        }
    }
}
