//! What a node stands on, as it was found when it was last looked at.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;

use crate::{cluster::inquiry::Reach, store::LaggingReads};

/// The database, the bus and the replicas. Clones are handles on the same.
#[derive(Clone)]
pub struct Vitals {
    found: Arc<Mutex<Found>>,
    replicas: Option<Arc<dyn LaggingReads>>,
    alone: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Found {
    database: Reach,
    bus: Reach,
}

impl Vitals {
    /// Of a node that has just opened its database. A node alone has no bus.
    pub fn new(replicas: Option<Arc<dyn LaggingReads>>, alone: bool) -> Self {
        let found = Found { database: reach(true, Duration::ZERO), bus: Reach::default() };
        Self { found: Arc::new(Mutex::new(found)), replicas, alone }
    }

    /// The database was asked.
    pub fn note_database(&self, reached: bool, took: Duration) {
        self.found.lock().database = reach(reached, took);
    }

    /// The bus was asked.
    pub fn note_bus(&self, reached: bool, took: Duration) {
        self.found.lock().bus = reach(reached, took);
    }

    pub(super) fn database(&self) -> Reach {
        self.found.lock().database
    }

    pub(super) fn bus(&self) -> Option<Reach> {
        (!self.alone).then(|| self.found.lock().bus)
    }

    /// How many replicas are asked, of how many.
    pub(super) fn replicas(&self) -> Option<(u64, u64)> {
        let (usable, all) = self.replicas.as_ref()?.usable();
        Some((usable as u64, all as u64))
    }
}

fn reach(reached: bool, took: Duration) -> Reach {
    Reach {
        reached,
        millis: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
    }
}
