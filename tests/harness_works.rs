//! The harness by itself: each fault of the proxy does what it says on real connections, the
//! checker lets correct histories pass and finds each kind of injected fault, and a node that
//! suffers behind the proxies is judged from its clients' recordings.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;
mod harness;

#[path = "harness_works/alone.rs"]
mod alone;
#[path = "harness_works/checker.rs"]
mod checker;
#[path = "harness_works/faults.rs"]
mod faults;
#[path = "harness_works/histories.rs"]
mod histories;
#[path = "harness_works/proxy.rs"]
mod proxy;
