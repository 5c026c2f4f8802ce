//! What went wrong, in the words of the seam. Nothing here repeats the URL or a name in it.

use fred::error::Error;

use crate::cluster::BusError;

/// A call failed; whatever the reason, the caller can only go on without the cluster.
pub(super) fn failed(error: &Error) -> BusError {
    metrics::counter!("chorus_redis_command_failures_total").increment(1);
    BusError::Unreachable(format!("Redis: {error}"))
}

/// Redis answered something that our scripts don't.
pub(super) fn strange() -> BusError {
    metrics::counter!("chorus_redis_command_failures_total").increment(1);
    BusError::Unreachable("Redis: an answer that can't be read".to_owned())
}

/// It took too long.
pub(super) fn late() -> BusError {
    metrics::counter!("chorus_redis_command_failures_total").increment(1);
    BusError::Unreachable("Redis: no answer in time".to_owned())
}
