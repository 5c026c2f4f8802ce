//! The public interface of one started node, asked as clients do: HTTP and sockets over real TCP.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

#[path = "api/rooms.rs"]
mod rooms;
#[path = "api/sign_ins.rs"]
mod sign_ins;
#[path = "api/story.rs"]
mod story;
#[path = "api/window.rs"]
mod window;
