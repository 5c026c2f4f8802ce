//! What goes wrong on purpose with the notices of a cluster inside one process, decided by dice
//! that fall the same for the same seed.

use std::time::Duration;

/// What goes wrong with a notice on its way, for tests. Chances are out of 100.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// Chance that a notice never arrives.
    pub lost: u8,
    /// Chance that it arrives twice.
    pub doubled: u8,
    /// Chance that it is late.
    pub late: u8,
    /// How late at most; different delays reorder.
    pub delay: Duration,
    /// Where the dice start: the same seed, the same faults.
    pub seed: u64,
}

/// The dice, and how they lie.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Dice(u64);

impl Dice {
    /// Dice that start there.
    pub(super) const fn of(seed: u64) -> Self {
        Self(seed)
    }

    /// What becomes of one notice on its way to one node: how late each of its copies arrives.
    pub(super) fn fate(&mut self, faults: &Faults) -> Vec<Duration> {
        if self.throw() < faults.lost {
            return Vec::new();
        }
        let copies = if self.throw() < faults.doubled { 2 } else { 1 };
        (0..copies).map(|_| self.delay(faults)).collect()
    }

    fn delay(&mut self, faults: &Faults) -> Duration {
        if self.throw() < faults.late {
            faults.delay * u32::from(self.throw()) / 100
        } else {
            Duration::ZERO
        }
    }

    /// The next throw, 0–99 (splitmix64 by Sebastiano Vigna, public domain algorithm).
    fn throw(&mut self) -> u8 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        u8::try_from((z ^ (z >> 31)) % 100).unwrap_or(0)
    }
}
