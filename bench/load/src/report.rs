//! Progress on standard error while it runs.

use std::{sync::OnceLock, time::Instant};

/// Says what is being done.
pub fn step(what: &str) {
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    let began = BEGAN.get_or_init(Instant::now);
    eprintln!("[{:6.1} s] {what}", began.elapsed().as_secs_f64());
}
