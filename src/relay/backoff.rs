//! How long to wait after something failed again: twice as long each time, up to a bound, and half of it by chance,
//! so that those who failed together do not come back together. Pure.

use std::time::Duration;

use uuid::Uuid;

/// The shortest and the longest wait.
#[derive(Debug, Clone, Copy)]
pub(super) struct Backoff {
    pub(super) first: Duration,
    pub(super) most: Duration,
}

impl Backoff {
    /// The wait after so many failures in a row (at least one); `chance` is from 0 to 1.
    pub(super) fn wait(self, failures: u32, chance: f64) -> Duration {
        let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
        let whole = self.first.saturating_mul(doubled).min(self.most);
        whole / 2 + (whole / 2).mul_f64(chance.clamp(0.0, 1.0))
    }
}

/// Something from 0 to 1, evenly spread.
pub(super) fn chance() -> f64 {
    let [.., a, b, c, d] = *Uuid::new_v4().as_bytes();
    f64::from(u32::from_be_bytes([a, b, c, d])) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BACKOFF: Backoff = Backoff {
        first: Duration::from_millis(100),
        most: Duration::from_secs(10),
    };

    proptest! {
        #[test]
        fn it_is_bounded_and_never_nothing(failures: u32, chance in 0.0..=1.0) {
            let wait = BACKOFF.wait(failures, chance);
            prop_assert!(wait >= BACKOFF.first / 2 && wait <= BACKOFF.most, "{wait:?}");
        }
    }

    #[test]
    fn it_doubles_up_to_the_bound() {
        let longest: Vec<_> = (1..=9).map(|failures| BACKOFF.wait(failures, 1.0).as_millis()).collect();
        assert_eq!(longest, [100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000]);
    }
}
