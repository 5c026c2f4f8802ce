//! Ctrl+C and SIGTERM: the run ends with an error at its next turn, and so everything that was
//! started ends, too. A second one ends the program at once; its children are told by the kernel.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use nix::sys::signal::{SigSet, Signal};

use crate::Outcome;

static ASKED: AtomicBool = AtomicBool::new(false);

/// Begins to listen; before any other thread is there.
pub fn listen() -> Outcome {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGINT);
    signals.add(Signal::SIGTERM);
    signals.thread_block()?;
    thread::spawn(move || {
        while signals.wait().is_ok() {
            if ASKED.swap(true, Ordering::Relaxed) {
                std::process::exit(130);
            }
        }
    });
    Ok(())
}

/// An error once somebody has asked for the end.
pub fn check() -> Outcome {
    if ASKED.load(Ordering::Relaxed) { Err("stopped".into()) } else { Ok(()) }
}
