//! Frames as text: what clients may say and what they are told, in two dialects of one protocol.
//!
//! Nothing here knows a socket. [`client`] parses what arrives; whatever arrives, the answer is a
//! frame or a refusal, never a panic. [`v1`] and [`seed`] write what leaves, as JSON text that is
//! put into a WebSocket frame once and shared by everybody who gets it.

pub mod client;
mod fields;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod json;
mod limits;
mod names;
pub mod seed;
pub mod v1;

pub use client::{ClientFrame, Ref, Rejected};
pub use limits::Limits;
pub use names::Names;

use crate::{domain::ClientId, error::Refusal};

/// The frame that refuses something, in the words of a dialect. Seed clients know neither ids nor refs.
pub fn error(dialect: Dialect, refusal: &Refusal, id: Option<&ClientId>, reference: Option<&Ref>) -> String {
    match dialect {
        Dialect::V1 => v1::error(refusal, id, reference),
        Dialect::Seed => seed::error(&refusal.message),
    }
}

/// The subprotocol a client offers in `Sec-WebSocket-Protocol` to speak v1.
pub const SUBPROTOCOL: &str = "chorus.v1";

/// How a socket speaks: chosen at the handshake and kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// The whole protocol, by subprotocol `chorus.v1`.
    V1,
    /// What the predecessor's clients speak; a socket without a subprotocol.
    Seed,
}

impl Dialect {
    /// Its name in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::Seed => "seed",
        }
    }
}

#[cfg(test)]
mod schemas;
