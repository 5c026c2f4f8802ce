//! nginx with this project's files in front of real nodes: who is sent where, what the nodes are
//! told of visitors, what is refused at the edge, and what never shows in a log.
//!
//! Each node has a database of its own here, because these tests are about nginx: who was served by
//! which node is seen by whose accounts are known.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;
#[path = "servers/nginx.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with other test files")]
mod server;

mod nginx {
    mod edge;
    mod people;
    pub(crate) mod scene;
}
