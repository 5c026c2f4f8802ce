//! Sockets: accepting them, the handshake, and the loop of each connection.
//!
//! A socket is owned from the first byte: [`accept`] is our own loop, and after the 101 the
//! connection is the `TcpStream` itself, watched by one small future that reads, writes what the
//! hub could not write at once, and hands each text to a [`Session`]. Who may come in is decided by
//! a [`Doorkeeper`], what is said and answered by the session; this room knows neither. Promises:
//!
//! - A connection that is silent, sends half a header, or idles is cut; one whose socket is silent
//!   for two pings is closed. Nothing here waits without a limit.
//! - Whatever arrives, the answer is a close code of RFC 6455, and memory is bounded by one frame.
//! - A session is told exactly once that its socket is gone, and how.

mod accept;
mod boundary;
mod connection;
mod door;
mod doorkeeper;
mod ending;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod guest;
mod handshake;
mod knock;
mod listener;
mod moves;
mod patience;
mod read;
mod reader;
mod session;
mod sockets;

pub use self::{
    accept::{LetIn, accept, thread_idles},
    door::{Admitted, Arrive, Door, Doorkeeper},
    doorkeeper::Reception,
    handshake::asks_for_upgrade,
    knock::Knock,
    listener::Listener,
    moves::Moves,
    reader::FRAME_BYTES,
    session::{Departure, Later, Session, Step},
    sockets::{Card, Mover, Seen, Settings, Sockets, Sought},
};

/// Names and units of what this room counts.
pub fn describe_metrics() {
    metrics::describe_gauge!("chorus_sockets", "Open sockets, by dialect");
    metrics::describe_gauge!(
        "chorus_outbox_queued_bytes",
        metrics::Unit::Bytes,
        "Bytes that wait for slow sockets, looked at once a second"
    );
    ending::Ending::describe();
    sockets::count_from_zero();
}
