//! The harness of the tests that stand on real servers: who owns the processes (`scene`), what
//! stands between them (`proxy`), who talks through them (`person`, `page`), what they write down
//! (`record`), how long things took (`times`), and the one judge of it all (`check`).
//!
//! A test sets a scene, lets people talk, breaks something, lets it settle by awaiting what it
//! expects, and hands everything to the checker. It never looks at single frames.
#![allow(unreachable_pub, reason = "all of it is for the tests beside it")]

pub mod check;
pub mod crowd;
pub mod gossip;
pub mod line;
pub mod page;
pub mod person;
pub mod proxy;
pub mod record;
pub mod scene;
pub mod times;

/// Starts a task beside the test. It ends with the test's runtime at the latest.
pub fn beside<T: Send + 'static>(
    task: impl Future<Output = T> + Send + 'static,
) -> tokio::task::JoinHandle<T> {
    tokio::runtime::Handle::current().spawn(task)
}
