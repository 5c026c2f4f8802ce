//! A hint that something was committed on this node, so that it is relayed at once. It may be lost: who leads looks
//! every second as well, for what other nodes have committed.

use std::{
    collections::BTreeSet,
    mem,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::domain::RoomId;

/// How many rooms are remembered; of more the next look finds out.
const ROOMS: usize = 10_000;

/// The hint. Clones give the same one.
#[derive(Clone, Default)]
pub struct Nudge(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// Somebody listens: this node leads.
    heard: AtomicBool,
    rooms: Mutex<BTreeSet<RoomId>>,
    bell: Notify,
}

impl Nudge {
    /// Something was committed in this room. Never waits.
    pub fn committed(&self, room: RoomId) {
        if !self.0.heard.load(Ordering::Acquire) {
            return;
        }
        let mut rooms = self.0.rooms.lock();
        if rooms.len() < ROOMS {
            rooms.insert(room);
        }
        drop(rooms);
        self.0.bell.notify_one();
    }

    /// From now on somebody listens, or nobody.
    pub(super) fn listens(&self, heard: bool) {
        self.0.heard.store(heard, Ordering::Release);
        if !heard {
            self.0.rooms.lock().clear();
        }
    }

    /// The first of the rooms that were named since, at most so many.
    pub(super) fn take(&self, most: usize) -> Vec<RoomId> {
        // This thread stands back for those that name rooms, so it keeps the lock for a moment only.
        let mut taken = mem::take(&mut *self.0.rooms.lock());
        if let Some(left) = taken.iter().nth(most).copied() {
            let left = taken.split_off(&left);
            self.0.rooms.lock().extend(left);
        }
        taken.into_iter().collect()
    }

    /// Ends when a room was named since the last call.
    pub(super) async fn heard(&self) {
        self.0.bell.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn rooms_are_named_once_and_only_to_who_listens() {
        let nudge = Nudge::default();
        nudge.committed(RoomId(1));
        assert_eq!(nudge.take(10), []);
        nudge.listens(true);
        for room in [3, 2, 3] {
            nudge.committed(RoomId(room));
        }
        tokio::time::timeout(Duration::from_secs(5), nudge.heard()).await.expect("it was nudged");
        assert_eq!(nudge.take(1), [RoomId(2)]);
        assert_eq!(nudge.take(10), [RoomId(3)]);
        nudge.committed(RoomId(4));
        nudge.listens(false);
        assert_eq!(nudge.take(10), []);
    }

    #[test]
    fn what_nobody_takes_is_bounded() {
        let nudge = Nudge::default();
        nudge.listens(true);
        let many = i64::try_from(ROOMS).unwrap() + 100;
        for room in 0..many {
            nudge.committed(RoomId(room));
        }
        assert_eq!(nudge.take(usize::MAX).len(), ROOMS);
    }
}
