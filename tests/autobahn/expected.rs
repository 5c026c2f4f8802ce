//! What is refused by design, case by case, and the few that neither pass nor fail; everything else has to
//! pass.

use chorus::ws::FRAME_BYTES;

/// How a case should end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    /// As Autobahn wants it.
    Answered,
    /// Rightly, but later than Autobahn would like.
    NonStrict,
    /// As Autobahn notes without judging.
    Informational,
    /// By a Close frame with this code, and nothing before it.
    Closed(u16),
    /// Without the extension that it is about (ADR 11: no compression).
    NotNegotiated,
}

const BINARY: Expected = Expected::Closed(1003);
/// More than [`FRAME_BYTES`]; said of text as of binary, because sizes are looked at first.
const TOO_BIG: Expected = Expected::Closed(1009);
const _: () = assert!(FRAME_BYTES == 16 * 1024, "the sizes below are told apart by it");

/// What is said in words of each refusal.
pub(crate) const fn why(expected: Expected) -> &'static str {
    match expected {
        BINARY => "no binary",
        TOO_BIG => "above 16 KiB",
        Expected::NotNegotiated => "no compression",
        _ => "",
    }
}

/// Cases (`1.1.6`) and groups of them (`9.1.`). The first that fits counts.
const OTHERWISE: &[(&str, Expected)] = &[
    // 65,535 and 65,536 bytes.
    ("1.1.6", TOO_BIG),
    ("1.1.7", TOO_BIG),
    ("1.1.8", TOO_BIG),
    ("1.2.6", TOO_BIG),
    ("1.2.7", TOO_BIG),
    ("1.2.8", TOO_BIG),
    ("1.2.", BINARY),
    // A frame that comes in three pieces, of which the second is not UTF-8. A frame is looked at when it is
    // whole, so 1007 comes after the third. (In frames of their own, 6.4.1 and 6.4.2, after the second.)
    ("6.4.3", Expected::NonStrict),
    ("6.4.4", Expected::NonStrict),
    // 256 KiB, and then a Close frame.
    ("7.1.6", TOO_BIG),
    // Close codes that nobody has defined (5000 and 65535): we answer 1002.
    ("7.13.", Expected::Informational),
    // 64 KiB to 16 MiB, in one frame and in fragments, of text and of binary.
    ("9.1.", TOO_BIG),
    ("9.2.", TOO_BIG),
    ("9.3.", TOO_BIG),
    ("9.4.", TOO_BIG),
    ("9.5.", TOO_BIG),
    ("9.6.", TOO_BIG),
    // A thousand binary messages. (9.7 is the same with text.)
    ("9.8.", BINARY),
    // 65,536 bytes in fragments of 1,300.
    ("10.1.1", TOO_BIG),
    ("12.", Expected::NotNegotiated),
    ("13.", Expected::NotNegotiated),
];

/// How the case of this number should end.
pub(crate) fn of(id: &str) -> Expected {
    let fits = |name: &str| if name.ends_with('.') { id.starts_with(name) } else { id == name };
    OTHERWISE
        .iter()
        .find(|(name, _)| fits(name))
        .map_or(Expected::Answered, |(_, expected)| *expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_table_names_ends_otherwise() {
        assert_eq!(of("1.1.5"), Expected::Answered);
        assert_eq!(of("1.1.6"), TOO_BIG);
        assert_eq!(of("1.2.5"), BINARY);
        assert_eq!(of("1.2.8"), TOO_BIG);
        assert_eq!(of("6.4.2"), Expected::Answered);
        assert_eq!(of("6.4.3"), Expected::NonStrict);
        assert_eq!(of("9.7.6"), Expected::Answered);
        assert_eq!(of("2.9"), Expected::Answered);
        assert_eq!(of("12.1.18"), Expected::NotNegotiated);
    }
}
