//! The load generator of Chorus: crowds of sockets that come into a chat, speak and count what they
//! hear, and the chats that Chorus is held against. `./bench/run` builds and calls it.
//!
//! Chorus is a program like the others here: this package knows nothing of it but its sockets.
//!
//! - `frames`, `speech`, `member`, `arrivals`, `pace`, `crowd`: the generator, one thread without waits.
//! - `process`, `kernel`, `peers`, `town`, `http`: what is measured, and what it uses.
//! - `fanout`, `idle`, `storm`: what is measured of all, in turn.
//! - `grow`, `cluster`, `behind`: what is measured of Chorus alone.
//! - `relay`, `amqp`: what it costs that a broker is told everything.
//! - `figures`, `stats`, `report`, `tables`, `plot`, `plots`, `publish`: what comes out.
//! - `fit`, `model`, `foretold`: what it says for a demand that nobody here can measure.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark speaks to a terminal"
)]
#![allow(clippy::cast_precision_loss, reason = "figures are printed with three digits")]
#![cfg_attr(test, allow(clippy::float_cmp, reason = "the figures of the tests are exact"))]

pub mod amqp;
pub mod arrivals;
pub mod behind;
pub mod cli;
pub mod cluster;
pub mod crowd;
pub mod fanout;
pub mod figures;
pub mod fit;
pub mod foretold;
pub mod frames;
pub mod grow;
pub mod http;
pub mod idle;
pub mod kernel;
pub mod member;
pub mod model;
pub mod pace;
pub mod peers;
pub mod plot;
pub mod plots;
pub mod process;
pub mod publish;
pub mod relay;
pub mod report;
pub mod speech;
pub mod stats;
pub mod stop;
pub mod storm;
pub mod tables;
pub mod town;

use std::{error::Error, time::Duration};

/// What everything here answers; a benchmark that fails says why and ends.
pub type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// The limit of every single wait.
pub const LIMIT: Duration = Duration::from_secs(30);
