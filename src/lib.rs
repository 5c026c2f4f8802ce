//! Chorus: a self-hosted real-time chat service, one node of it.
//!
//! **The database remembers, the bus only carries.** A message is real when it is committed to
//! the log; what travels between nodes is a doorbell that may be lost, doubled, late or out of
//! order, and nothing breaks when it is.
//!
//! The house, from the street to the cellar; dependencies point down only
//! (`tests/architecture.rs` holds the table):
//!
//! - [`node`] is the composition root: it picks the backends, wires the rooms, starts and drains.
//!   [`config`], [`telemetry`], [`shutdown`], [`readiness`] and [`error`] serve the whole house.
//! - [`http`] and [`ws`] face the world: requests and sockets. [`cli`] faces the
//!   operator.
//! - [`admin`] is the operator's desk: what one node knows, and what it asks the others.
//! - [`chat`] says what a message, a join and a presence change mean; [`auth`] says who somebody
//!   is. Neither knows how they were asked.
//! - [`hub`] knows members and bytes, [`protocol`] knows frames and dialects.
//! - [`relay`] brings what was said on to other systems, from the log.
//! - [`store`] and [`cluster`] are the seams to what lasts and to what carries, with their
//!   backends.
//! - [`domain`] holds the nouns.
//!
//! To follow one message, read `ws::guest`, `chat::post`, `chat::log_writer`, `chat::rooms` (its
//! `conductor::messages`) and `hub::shard`, in this order. `ARCHITECTURE.md` walks this way and six others.

pub mod admin;
pub mod auth;
pub mod chat;
pub mod cli;
pub mod cluster;
pub mod config;
pub mod domain;
pub mod error;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod http;
pub mod hub;
pub mod node;
pub mod protocol;
pub mod readiness;
pub mod relay;
pub mod shutdown;
pub mod store;
pub mod tally;
pub mod telemetry;
pub mod threads;
pub mod tls;
pub mod ws;
