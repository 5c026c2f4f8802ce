//! Whether this node should be sent people: ready when no cause stands against it.

use std::{collections::BTreeSet, sync::Arc};

use parking_lot::Mutex;
use serde::{Serialize, Serializer};

use crate::tally::closed_set;

closed_set! {
    /// Why a node is not ready.
    #[derive(PartialOrd, Ord, utoipa::ToSchema)]
    #[schema(rename_all = "snake_case")]
    pub enum Cause {
        /// It has not finished starting.
        Starting = "starting",
        /// It is about to stop.
        Draining = "draining",
        /// The database's schema is too old for it.
        Schema = "schema",
        /// The database does not answer.
        Database = "database",
        /// The bus does not answer although it answers others.
        Bus = "bus",
        /// The bus that it was given is another chat's.
        BusTaken = "bus_taken",
    }
}

impl Serialize for Cause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// The causes that stand against this node now. Clones are handles on the same set.
#[derive(Debug, Clone)]
pub struct Readiness(Arc<Mutex<BTreeSet<Cause>>>);

impl Readiness {
    /// Of a node that is starting.
    pub fn starting() -> Self {
        let readiness = Self(Arc::default());
        for cause in Cause::ALL {
            readiness.set(*cause, *cause == Cause::Starting);
        }
        readiness
    }

    /// A cause stands, or stands no more.
    pub fn set(&self, cause: Cause, stands: bool) {
        let mut causes = self.0.lock();
        if stands {
            causes.insert(cause);
        } else {
            causes.remove(&cause);
        }
        // Under the lock, so that the gauge shows what was set last.
        metrics::gauge!("chorus_not_ready", "cause" => cause.as_str()).set(f64::from(u8::from(stands)));
    }

    /// Whether this cause stands.
    pub fn has(&self, cause: Cause) -> bool {
        self.0.lock().contains(&cause)
    }

    /// All that stand; none means ready.
    pub fn causes(&self) -> Vec<Cause> {
        self.0.lock().iter().copied().collect()
    }
}

/// What is shown here, in words.
pub fn describe_metrics() {
    metrics::describe_gauge!(
        "chorus_not_ready",
        "1 for each cause for which nobody should be sent to this node, else 0"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_when_no_cause_stands() {
        let readiness = Readiness::starting();
        readiness.set(Cause::Database, true);
        readiness.set(Cause::Starting, false);
        assert_eq!(readiness.causes(), [Cause::Database]);
        let handle = readiness.clone();
        readiness.set(Cause::Database, false);
        assert!(handle.causes().is_empty());
    }
}
