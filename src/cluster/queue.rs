//! What a node has heard and not yet taken: bounded, and its overflow is told.

use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::{cluster::Heard, tally::Dropped};

/// How many notices may wait for a node before it is told that it missed some.
const LENGTH: usize = 4096;

/// The writing end.
pub(super) struct Queue {
    queue: mpsc::Sender<Heard>,
    /// A place kept free to say that something was missed; `None` while that is unread.
    spare: Mutex<Option<mpsc::OwnedPermit<Heard>>>,
}

impl Queue {
    /// A queue and its reading end.
    pub(super) fn new() -> (Self, mpsc::Receiver<Heard>) {
        let (queue, heard) = mpsc::channel(LENGTH);
        let spare = Mutex::new(queue.clone().try_reserve_owned().ok());
        (Self { queue, spare }, heard)
    }

    /// Puts something in, or says in the spare place that something was missed.
    pub(super) fn put(&self, heard: Heard) {
        let mut spare = self.spare.lock();
        if spare.is_none() {
            *spare = self.queue.clone().try_reserve_owned().ok();
        }
        if self.queue.try_send(heard).is_err() {
            Dropped::BusQueue.count(1);
            if let Some(spare) = spare.take() {
                spare.send(Heard::Interrupted);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_falls_behind_hears_so_last_and_then_goes_on() {
        let (queue, mut heard) = Queue::new();
        for _ in 0..2 {
            let notice = || {
                let sid = crate::domain::SignInId::random();
                let notice = crate::cluster::Notice::SignInEnded(sid);
                Heard::Said(crate::cluster::Envelope { from: crate::cluster::Incarnation::random(), notice })
            };
            (0..2 * LENGTH).for_each(|_| queue.put(notice()));
            let waiting: Vec<Heard> = std::iter::from_fn(|| heard.try_recv().ok()).collect();
            assert_eq!(waiting.len(), LENGTH);
            let interrupted = |heard: &Heard| matches!(heard, Heard::Interrupted);
            assert_eq!(waiting.iter().filter(|heard| interrupted(heard)).count(), 1);
            assert!(interrupted(waiting.last().unwrap()));
        }
    }
}
