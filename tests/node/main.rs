//! A node as others meet it: its interface, asked as clients do (`api`), by the predecessor's page
//! (`predecessor`) and by attackers (`attacks`); how it begins and ends (`life`), what it reports when
//! something fails (`reports`), and what kills and operators do to it (`durability`); one that slept for
//! too long (`behind`); what it tells other systems (`relay`, `webhooks`); and several nodes of one chat in one process
//! (`several`).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../servers/mod.rs"]
mod servers;

mod api;
mod attacks;
mod behind;
mod durability;
mod life;
mod predecessor;
mod relay;
mod reports;
mod several;
mod webhooks;
