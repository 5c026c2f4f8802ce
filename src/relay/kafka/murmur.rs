//! Which partition a key belongs to: as Java's client has it, so that everybody who writes to a topic or looks for a
//! room in it agrees. Pure.

/// Java's seed and multiplier of `MurmurHash2`.
const SEED: u32 = 0x9747_b28c;
const TIMES: u32 = 0x5bd1_e995;

/// The partition of a key, of so many.
pub(super) fn partition_of(key: &[u8], partitions: u32) -> u32 {
    // The sign is dropped, not turned.
    (murmur2(key) & 0x7fff_ffff) % partitions.max(1)
}

/// `MurmurHash2`, 32 bits.
fn murmur2(bytes: &[u8]) -> u32 {
    let (words, rest) = bytes.as_chunks::<4>();
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let mixed = words.iter().fold(SEED ^ length, |hash, word| {
        let part = u32::from_le_bytes(*word).wrapping_mul(TIMES);
        hash.wrapping_mul(TIMES) ^ (part ^ (part >> 24)).wrapping_mul(TIMES)
    });
    let mut hash = mixed;
    if !rest.is_empty() {
        let last = rest.iter().rev().fold(0, |last, byte| last << 8 | u32::from(*byte));
        hash = (hash ^ last).wrapping_mul(TIMES);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(TIMES);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the tests of Apache Kafka.
    #[test]
    fn it_is_what_java_makes_of_it() {
        for (key, expected) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key.as_bytes()).cast_signed(), expected, "{key}");
        }
    }

    /// Where librdkafka puts them with `partitioner=murmur2_random`.
    #[test]
    fn it_is_where_others_put_it() {
        let of_four = |key: &str| partition_of(key.as_bytes(), 4);
        let found = ["21", "plans-2_b", "lobby", "foobar", "x", "room-5"].map(of_four);
        assert_eq!(found, [0, 1, 2, 2, 2, 2]);
        assert_eq!(partition_of(b"lobby", 0), 0);
    }
}
