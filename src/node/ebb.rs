//! After a storm of sockets the memory that they had goes back to the system.
//!
//! The C library keeps what was freed for what comes next, however little that is: after fifteen thousand
//! sockets had gone, the node was as large as with them (docs/performance.md, *Memory*).

use std::time::{Duration, Instant};

/// Fewer tasks than these were no crowd.
const CROWD: usize = 1000;
/// How long it must have been quiet since the most have gone: lists of people have their grace time, and
/// who comes back at once needs the memory again.
const CALM: Duration = Duration::from_secs(10);

/// Watches how many tasks a node has, which is how many sockets and some more.
#[derive(Debug, Default)]
pub(super) struct Ebb {
    /// The most there were since memory was last given back.
    most: usize,
    /// Since when less than half of them are left.
    low_since: Option<Instant>,
}

impl Ebb {
    /// Takes how many there are now; answers whether memory should be given back.
    pub(super) fn look(&mut self, now: Instant, count: usize) -> bool {
        self.most = self.most.max(count);
        if self.most < CROWD || count > self.most / 2 {
            self.low_since = None;
            return false;
        }
        let over = now.saturating_duration_since(*self.low_since.get_or_insert(now)) >= CALM;
        if over {
            *self = Self { most: count, low_since: None };
        }
        over
    }
}

/// Gives back what is free.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "the C library's call has no safe wrapper")]
pub(super) fn give_back() {
    // SAFETY: `malloc_trim` takes a number and touches free memory only; glibc documents it as safe to be
    // called by any thread at any time (MT-Safe).
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Other C libraries have no such call.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(super) const fn give_back() {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_given_back_once_when_most_of_a_crowd_have_gone_for_a_while() {
        let (began, mut ebb) = (Instant::now(), Ebb::default());
        let mut at = |seconds: u64, count| ebb.look(began + Duration::from_secs(seconds), count);
        assert!(!at(0, 15_000));
        assert!(!at(2, 7_000));
        assert!(!at(11, 6_000), "too early");
        assert!(!at(11, 9_000), "they come back");
        assert!(!at(12, 20));
        assert!(at(22, 20));
        assert!(!at(40, 10), "twice");
        assert!(!at(41, 900));
        assert!(!at(60, 10), "no crowd");
        assert!(!at(61, 2_000));
        assert!(!at(62, 900));
        assert!(at(72, 900));
    }

    #[test]
    fn what_is_in_use_stays() {
        let kept: Vec<Vec<u8>> = (0..1000).map(|_| vec![7; 1000]).collect();
        drop((0..1000).map(|_| vec![8; 1000]).collect::<Vec<_>>());
        give_back();
        assert!(kept.iter().flatten().all(|byte| *byte == 7));
    }
}
