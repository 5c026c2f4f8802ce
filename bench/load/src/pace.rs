//! How fast somebody speaks.

use std::time::Duration;

/// How often something is said, and how many times at least.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// From one to the next.
    pub every: Duration,
    /// So many.
    pub times: usize,
}

impl Pace {
    /// So many a second for so long, twenty at least.
    pub fn of(rate: f64, long: Duration) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "some thousands"
        )]
        let times = (long.as_secs_f64() * rate).ceil().max(20.0) as usize;
        Self { every: Duration::from_secs_f64(1.0 / rate), times }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_lasts_as_long_as_it_should_but_is_never_a_few_words_only() {
        let pace = Pace::of(400.0, Duration::from_secs(5));
        assert_eq!((pace.times, pace.every), (2000, Duration::from_micros(2500)));
        assert_eq!(Pace::of(0.5, Duration::from_secs(5)).times, 20);
    }
}
