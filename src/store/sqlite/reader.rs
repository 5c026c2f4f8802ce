//! The threads that read. In WAL mode they see what was committed last and never wait for the
//! writer, so history is not slowed by commits.

use rusqlite::Connection;

use super::queue::{Inbox, Job};
use crate::store::Result;

/// What a reading thread owns.
pub(super) struct Reader {
    /// Its own connection.
    pub(super) connection: Connection,
    /// The queue it shares with the other readers.
    pub(super) inbox: Inbox,
}

impl Reader {
    /// Works until the queue is closed and empty.
    pub(super) fn run(self) {
        while let Some(mut job) = self.inbox.next() {
            if job.begin() {
                let outcome = self.snapshot(job.as_mut());
                job.finish(outcome);
            }
        }
    }

    /// One snapshot for all queries of the job. Dropping the transaction ends it.
    fn snapshot(&self, job: &mut dyn Job) -> Result<()> {
        let transaction = self.connection.unchecked_transaction()?;
        job.run(&transaction)
    }
}
