//! nginx with this project's files in front of real nodes: who is sent where, what the nodes are
//! told of visitors, what is refused at the edge, and what never shows in a log.
//!
//! Each node has a database of its own here, because these tests are about nginx: who was served by
//! which node is seen by whose accounts are known.

mod edge;
mod people;
pub(crate) mod scene;
mod tls;
