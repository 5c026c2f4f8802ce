//! The hub by itself: what a socket's queue promises (`outbox`), in which order everybody gets what
//! is told (`order`), and sockets from the handshake to the end (`sockets`).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod order;
mod outbox;
#[path = "../common/raw_socket.rs"]
mod raw_socket;
mod sockets;
