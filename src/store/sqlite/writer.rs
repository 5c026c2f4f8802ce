//! The one thread that writes. What waits when it becomes free shares one commit, so under load
//! one sync of the disk serves many callers, and an idle store commits at once.
//!
//! Nobody is answered before the commit is on disk. Each job has a savepoint of its own: one that
//! is refused undoes only itself. When the database itself fails, the whole group is undone and
//! every job in it is told so, also those that would have been refused, because a refusal may rest
//! on what a neighbour did and did not keep.

use std::{sync::Arc, time::Instant};

use parking_lot::Mutex;
use rusqlite::{Connection, ErrorCode};
use tokio::sync::mpsc;

use super::{
    file::DataDir,
    queue::{Inbox, Job},
};
use crate::store::{Result, StoreError};

/// After this many changed rows the WAL is written back into the database: about 2,000 rows are
/// 8 MiB of WAL when each was committed alone, and far less in groups.
const ROWS_PER_CHECKPOINT: u64 = 2_000;

/// When a commit last succeeded; `None` after one that failed.
pub(super) type LastCommit = Arc<Mutex<Option<Instant>>>;

/// What the writing thread owns.
pub(super) struct Writer {
    /// To open a new connection when the old one can't be trusted.
    pub(super) dir: DataDir,
    /// The only connection that writes.
    pub(super) connection: Connection,
    /// What is to be done. The thread ends when all senders are gone and it is empty.
    pub(super) inbox: Inbox,
    /// How many jobs may share a commit; bounds how long the first of them waits.
    pub(super) jobs_per_commit: usize,
    /// The database's size limit, for a new connection.
    pub(super) max_pages: Option<u32>,
    /// Ends when the last reader has ended; nothing is ever sent.
    pub(super) readers: mpsc::Receiver<()>,
    /// Where it notes that it works.
    pub(super) last_commit: LastCommit,
    /// Whether the last commit failed: the log tells when that begins and ends, not each time.
    pub(super) failing: bool,
}

impl Writer {
    /// Works until the queue is closed and empty, and the readers have ended; then writes the WAL
    /// back. As the last one it leaves a single file: connections that close at the same moment
    /// would each think that another still needs the WAL.
    pub(super) fn run(mut self) {
        let mut checkpointed = self.connection.total_changes();
        while let Some(first) = self.inbox.next() {
            let group = self.gather(first);
            self.serve(group);
            // After the answers, so that nobody waits for it.
            let changes = self.connection.total_changes();
            if changes.wrapping_sub(checkpointed) >= ROWS_PER_CHECKPOINT {
                checkpoint(&self.connection, "PRAGMA wal_checkpoint(PASSIVE)");
                checkpointed = changes;
            }
        }
        self.readers.blocking_recv();
        checkpoint(&self.connection, "PRAGMA wal_checkpoint(TRUNCATE)");
    }

    /// What waits already goes along; nothing is waited for.
    fn gather(&mut self, first: Box<dyn Job>) -> Vec<Box<dyn Job>> {
        let mut group = vec![first];
        while group.len() < self.jobs_per_commit {
            let Some(job) = self.inbox.next_now() else { break };
            group.push(job);
        }
        group.retain(|job| job.begin());
        group
    }

    fn serve(&mut self, mut group: Vec<Box<dyn Job>>) {
        if group.is_empty() {
            return;
        }
        let started = Instant::now();
        let outcome = self.recover().and_then(|()| transact(&self.connection, &mut group));
        metrics::histogram!("chorus_store_commit_seconds").record(started.elapsed());
        #[expect(clippy::cast_precision_loss, reason = "a group is small")]
        metrics::histogram!("chorus_store_commit_jobs").record(group.len() as f64);
        self.note(outcome.as_ref().err());
        match outcome {
            Ok(each) => group.into_iter().zip(each).for_each(|(job, outcome)| job.finish(outcome)),
            Err(error) => {
                for job in group {
                    job.finish(Err(error.clone()));
                }
                // A full disk may have room again when the WAL is written back and reused.
                checkpoint(&self.connection, "PRAGMA wal_checkpoint(PASSIVE)");
            }
        }
    }

    fn note(&mut self, failure: Option<&StoreError>) {
        *self.last_commit.lock() = failure.is_none().then(Instant::now);
        match failure {
            Some(error) if !self.failing => tracing::error!(%error, "the database does not commit"),
            None if self.failing => tracing::info!("the database commits again"),
            _ => {}
        }
        self.failing = failure.is_some();
    }

    /// A transaction that could not be rolled back would swallow what comes next: the connection
    /// is replaced before anything else is done.
    fn recover(&mut self) -> Result<()> {
        if self.connection.is_autocommit() || execute(&self.connection, "ROLLBACK").is_ok() {
            return Ok(());
        }
        tracing::warn!("the writing connection is replaced");
        let opened = self.dir.connect().map_err(|error| StoreError::Unavailable(error.to_string()))?;
        limit_size(&opened, self.max_pages)?;
        self.connection = opened;
        Ok(())
    }
}

/// Keeps the database below `max_pages` pages.
pub(super) fn limit_size(connection: &Connection, max_pages: Option<u32>) -> rusqlite::Result<()> {
    max_pages.map_or(Ok(()), |pages| {
        connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
    })
}

/// Runs a group in one transaction. `Ok` means committed, with each job's own outcome; `Err`
/// holds for all of them.
fn transact(connection: &Connection, group: &mut [Box<dyn Job>]) -> Result<Vec<Result<()>>> {
    execute(connection, "BEGIN IMMEDIATE")?;
    let each = group.iter_mut().map(|job| attempt(connection, job.as_mut()));
    match each.collect::<Result<Vec<_>>>() {
        Ok(outcomes) => commit(connection).map(|()| outcomes),
        Err(error) => {
            undo(connection);
            Err(error)
        }
    }
}

/// Runs one job in its savepoint. The inner result is the job's own; the outer one is `Err` when
/// the transaction can't go on, because the database failed (`SQLite` undoes the whole transaction
/// at some failures, such as a full disk).
fn attempt(connection: &Connection, job: &mut dyn Job) -> Result<Result<()>> {
    execute(connection, "SAVEPOINT job")?;
    match job.run(connection) {
        Err(error @ (StoreError::Unavailable(_) | StoreError::OutcomeUnknown(_))) => Err(error),
        Err(error) if connection.is_autocommit() => Err(StoreError::Unavailable(error.to_string())),
        Err(refusal) => {
            execute(connection, "ROLLBACK TO job")?;
            execute(connection, "RELEASE job")?;
            Ok(Err(refusal))
        }
        Ok(()) => {
            execute(connection, "RELEASE job")?;
            Ok(Ok(()))
        }
    }
}

/// A failed commit is undone. That is certain when `SQLite` refused before its last write; after
/// an I/O error the commit may be in the WAL though its sync failed, and would be found there if
/// the process died now.
fn commit(connection: &Connection) -> Result<()> {
    let Err(error) = execute(connection, "COMMIT") else {
        return Ok(());
    };
    undo(connection);
    let refused = matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DiskFull
                | ErrorCode::DatabaseBusy
                | ErrorCode::ReadOnly
                | ErrorCode::ConstraintViolation
        )
    );
    if refused && connection.is_autocommit() {
        Err(StoreError::Unavailable(error.to_string()))
    } else {
        Err(StoreError::OutcomeUnknown(error.to_string()))
    }
}

fn undo(connection: &Connection) {
    if connection.is_autocommit() {
        return;
    }
    if let Err(error) = execute(connection, "ROLLBACK") {
        tracing::error!(%error, "a failed transaction could not be rolled back");
    }
}

fn execute(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(drop)
}

/// A failed checkpoint loses nothing: the WAL is kept, and the next one tries again.
fn checkpoint(connection: &Connection, sql: &str) {
    if let Err(error) = connection.query_row(sql, [], |_| Ok(())) {
        tracing::debug!(%error, "the write-ahead log could not be written back");
    }
}
