//! The public interface of one started node, asked as clients do: HTTP and sockets over real TCP.

mod bots;
mod rooms;
mod sign_ins;
mod story;
mod window;
