//! Ctrl+C and SIGTERM: the round ends with an error at its next turn, and so everything that was
//! started ends, too; the rounds before are kept. A second one ends the program at once; its children are told by the kernel.
//!
//! Signals are caught and not blocked: what is blocked here would be blocked in every server.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, Ordering},
};

use signal_hook::{
    consts::{SIGINT, SIGTERM},
    flag,
};

use crate::Outcome;

static ASKED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// Begins to listen.
pub fn listen() -> Outcome {
    let asked = ASKED.get_or_init(Arc::default);
    for signal in [SIGINT, SIGTERM] {
        // In this order: the first one finds the flag down, and puts it up.
        flag::register_conditional_shutdown(signal, 130, asked.clone())?;
        flag::register(signal, asked.clone())?;
    }
    Ok(())
}

/// Whether somebody has asked for the end.
pub fn asked() -> bool {
    ASKED.get().is_some_and(|it| it.load(Ordering::Relaxed))
}

/// An error once somebody has.
pub fn check() -> Outcome {
    if asked() { Err("stopped".into()) } else { Ok(()) }
}
