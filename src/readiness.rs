//! Whether this node should be sent people: ready when no cause stands against it.

use std::{collections::BTreeSet, sync::Arc};

use parking_lot::Mutex;
use serde::{Serialize, Serializer};

/// Why a node is not ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, utoipa::ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum Cause {
    /// It has not finished starting.
    Starting,
    /// It is about to stop.
    Draining,
    /// The database's schema is too old for it.
    Schema,
    /// The database does not answer.
    Database,
    /// The bus does not answer although it answers others.
    Bus,
}

impl Cause {
    /// Its name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Draining => "draining",
            Self::Schema => "schema",
            Self::Database => "database",
            Self::Bus => "bus",
        }
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
        Self(Arc::new(Mutex::new(BTreeSet::from([Cause::Starting]))))
    }

    /// A cause stands, or stands no more.
    pub fn set(&self, cause: Cause, stands: bool) {
        let mut causes = self.0.lock();
        if stands {
            causes.insert(cause);
        } else {
            causes.remove(&cause);
        }
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
