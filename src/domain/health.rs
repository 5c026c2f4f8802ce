//! How nodes speak of their health to each other: of the database over the bus, of the bus in the
//! database. Both seams count a word for the same time, so it stands here, below both.

use std::time::Duration;

/// How long a node's word about its health counts for the others.
pub const PEER_HEALTH_TTL: Duration = Duration::from_secs(5);
