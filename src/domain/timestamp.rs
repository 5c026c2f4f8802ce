//! A moment as the database's clock tells it, in milliseconds.

use std::fmt;

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// A moment as people write it: RFC 3339, or a day, which begins in UTC.
    pub fn parse(text: &str) -> Option<Self> {
        let is_day = text.len() == "2026-01-02".len();
        let moment =
            if is_day { format!("{text}T00:00:00Z").parse() } else { text.parse::<jiff::Timestamp>() };
        Some(Self(moment.ok()?.as_millisecond()))
    }

    /// This moment plus `seconds`.
    #[must_use]
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1000)))
    }

    /// Whole seconds since the epoch, as a JWT counts.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The 12-hour clock of the seed dialect, in UTC: `12:34:56 PM`.
    pub fn clock_12h(self) -> String {
        let of_day = self.seconds().rem_euclid(86_400);
        let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
        let half = if hour < 12 { "AM" } else { "PM" };
        let shown = if hour % 12 == 0 { 12 } else { hour % 12 };
        format!("{shown}:{minute:02}:{second:02} {half}")
    }
}

/// RFC 3339 in UTC with milliseconds: `2026-01-02T03:04:05.678Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        write!(f, "{moment:.3}")
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_rfc_3339_with_milliseconds() {
        assert_eq!(Timestamp(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Timestamp(1_767_323_045_678).to_string(), "2026-01-02T03:04:05.678Z");
        assert_eq!(Timestamp(i64::MAX).to_string(), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn reads_what_it_prints_and_days() {
        let moment = Timestamp(1_767_323_045_678);
        assert_eq!(Timestamp::parse(&moment.to_string()), Some(moment));
        assert_eq!(Timestamp::parse("2026-01-02T04:04:05.678+01:00"), Some(moment));
        assert_eq!(Timestamp::parse("1970-01-02"), Some(Timestamp(86_400_000)));
        for nonsense in [
            "",
            "yesterday",
            "2026-13-01",
            "2026-01-02T03:04:05",
            "2026-01-02x",
        ] {
            assert_eq!(Timestamp::parse(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn prints_a_12_hour_clock() {
        assert_eq!(Timestamp(0).clock_12h(), "12:00:00 AM");
        assert_eq!(Timestamp(45_296_000).clock_12h(), "12:34:56 PM");
        assert_eq!(Timestamp(46_861_000).clock_12h(), "1:01:01 PM");
    }
}
