//! The threads that read. In WAL mode they see what was committed last and never wait for the
//! writer, so history is not slowed by commits.

use std::sync::Arc;

use parking_lot::Mutex;
use rusqlite::Connection;

use super::queue::{Inbox, Job};
use crate::store::Result;

/// What a reading thread owns.
pub(super) struct Reader {
    /// Its own connection.
    pub(super) connection: Connection,
    /// The queue it shares with the other readers: the one that waits holds the lock.
    pub(super) inbox: Arc<Mutex<Inbox>>,
}

impl Reader {
    /// Works until the queue is closed and empty.
    pub(super) fn run(self) {
        while let Some(mut job) = self.next() {
            if job.begin() {
                let outcome = self.snapshot(job.as_mut());
                job.finish(outcome);
            }
        }
    }

    fn next(&self) -> Option<Box<dyn Job>> {
        self.inbox.lock().blocking_recv()
    }

    /// One snapshot for all queries of the job. Dropping the transaction ends it.
    fn snapshot(&self, job: &mut dyn Job) -> Result<()> {
        let transaction = self.connection.unchecked_transaction()?;
        job.run(&transaction)
    }
}
