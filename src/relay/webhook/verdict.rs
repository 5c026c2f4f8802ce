//! What an answer means. Pure.

use std::time::Duration;

use http::StatusCode;
use jiff::{Timestamp, fmt::rfc2822::DateTimeParser};

use crate::relay::sink::Fate;

/// The longest pause that a receiver may ask for at once.
const PAUSE: Duration = Duration::from_mins(5);

/// What became of an event by this status and `Retry-After`. A redirect is a no: where an event goes is for the
/// settings to say.
pub(super) fn fate(status: StatusCode, retry_after: Option<&str>, now: Timestamp) -> Fate {
    let number = status.as_u16();
    match number {
        200..=299 => Fate::Confirmed,
        408 | 409 | 425 | 429 | 500.. => {
            let asked = retry_after.and_then(|text| pause(text, now));
            asked.map_or(Fate::Failed(number), Fate::Later)
        }
        _ => Fate::Declined(number),
    }
}

/// Seconds, or the time when it is over.
fn pause(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    let asked = if let Ok(seconds) = text.parse::<u64>() {
        Duration::from_secs(seconds)
    } else {
        let until = DateTimeParser::new().parse_timestamp(text).ok()?;
        until.duration_since(now).try_into().unwrap_or_default()
    };
    (!asked.is_zero()).then(|| asked.min(PAUSE))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(status: u16, retry_after: Option<&str>) -> Fate {
        let now: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        fate(StatusCode::from_u16(status).unwrap(), retry_after, now)
    }

    #[test]
    fn two_hundreds_confirm_and_what_may_pass_is_tried_again() {
        for status in [200, 201, 202, 204, 299] {
            assert_eq!(of(status, Some("9")), Fate::Confirmed);
        }
        for status in [408, 409, 425, 429, 500, 502, 503, 504, 599, 999] {
            assert_eq!(of(status, None), Fate::Failed(status));
        }
        for status in [
            300, 301, 302, 304, 307, 308, 400, 401, 403, 404, 405, 410, 413, 422, 431, 451,
        ] {
            assert_eq!(of(status, Some("9")), Fate::Declined(status), "{status}");
        }
    }

    #[test]
    fn a_pause_that_is_asked_for_is_made_and_bounded() {
        let later = |seconds| Fate::Later(Duration::from_secs(seconds));
        assert_eq!(of(429, Some("7")), later(7));
        assert_eq!(of(503, Some(" 7 ")), later(7));
        assert_eq!(of(503, Some("86400")), later(300));
        assert_eq!(of(503, Some("Fri, 02 Jan 2026 03:05:05 GMT")), later(60));
        assert_eq!(of(503, Some("Sat, 02 Jan 2027 03:05:05 GMT")), later(300));
        for none in [
            "0",
            "-1",
            "soon",
            "",
            "Fri, 02 Jan 2026 03:04:04 GMT",
            "99999999999999999999999",
        ] {
            assert_eq!(of(503, Some(none)), Fate::Failed(503), "{none}");
        }
    }

    proptest! {
        #[test]
        fn no_answer_panics(status in 100_u16..1_000, retry_after in "\\PC{0,40}") {
            let fate = of(status, Some(&retry_after));
            prop_assert_eq!(fate == Fate::Confirmed, (200..300).contains(&status));
        }
    }
}
