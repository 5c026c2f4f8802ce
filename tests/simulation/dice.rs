//! Dice that fall the same for the same seed, and the trace of what happened in a run.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::time::Instant;

/// The dice (splitmix64 by Sebastiano Vigna, public domain algorithm).
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) const fn of(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) const fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Dice of their own for a part of the run: what it throws changes nothing elsewhere.
    pub(crate) const fn apart(&mut self) -> Self {
        Self(self.throw())
    }

    /// 0 up to and without `count`.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        usize::try_from(self.throw() % count.max(1) as u64).unwrap()
    }

    /// Whether something of this chance, out of 1,000, happens.
    pub(crate) const fn chance(&mut self, permille: u64) -> bool {
        self.throw() % 1000 < permille
    }

    pub(crate) const fn ms(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.throw() % (to - from + 1))
    }

    pub(crate) fn pick<'a, T>(&mut self, among: &'a [T]) -> &'a T {
        &among[self.below(among.len())]
    }
}

/// What happened, and when.
#[derive(Debug, Clone)]
pub(crate) struct Trace {
    began: Instant,
    lines: Arc<Mutex<Vec<String>>>,
    /// Of everything that happened, also of what is not written out.
    print: Arc<Mutex<u64>>,
}

impl Trace {
    pub(crate) fn begin() -> Self {
        Self {
            began: Instant::now(),
            lines: Arc::default(),
            print: Arc::default(),
        }
    }

    pub(crate) fn note(&self, what: impl AsRef<str>) {
        let at = self.began.elapsed().as_millis();
        let line = format!("{at:>6} ms  {}", what.as_ref());
        self.mark(line.as_bytes());
        self.lines.lock().push(line);
    }

    /// Something happened that is not worth a line (FNV-1a by Fowler, Noll and Vo, public domain algorithm).
    pub(crate) fn mark(&self, what: &[u8]) {
        let mut print = self.print.lock();
        for byte in what {
            *print = (*print ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    pub(crate) fn print(&self) -> u64 {
        *self.print.lock()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().clone()
    }
}
