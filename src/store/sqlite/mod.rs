//! The embedded backend: one `SQLite` file in `DATA_DIR`, for one node.
//!
//! One thread writes, in groups that share a commit ([`writer`]); a few threads read, each on a
//! snapshot ([`reader`]); bounded queues lead to them ([`queue`]). What a call does is plain,
//! blocking SQL in `accounts`, `sign_ins`, `log`, `retention`, `relaying` and `sweep`. The clock is the system's.
//!
//! Acknowledged means synced to disk. The directory is locked as long as a thread of the store
//! lives, so two nodes never share a file; commands may read it meanwhile ([`beside`]).

mod accounts;
mod beside;
mod bots;
mod cookies;
mod failure;
mod file;
mod log;
mod queue;
mod reader;
mod relaying;
mod retention;
mod schema;
mod sign_ins;
mod sweep;
mod writer;

use std::{
    io,
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use rusqlite::Connection;
use tokio::{sync::mpsc, time::timeout};
use uuid::Uuid;

pub use failure::OpenError;
use file::{DataDir, DirLock};
use queue::{Queue, Unanswered};
use reader::Reader;
use writer::{LastCommit, Writer};

use super::{Result, Store};
use crate::{domain::Timestamp, threads::Share};

/// The limits of an embedded store.
#[derive(Debug, Clone)]
pub struct SqliteOptions {
    /// How long a call may take, waiting for its turn included.
    pub call_limit: Duration,
    /// How many writing calls may wait, and how many reading ones. When it is full the next wait
    /// for a place, and are told `Unavailable` when their time is over.
    pub queue: usize,
    /// Threads that read.
    pub readers: usize,
    /// How many waiting calls may share one commit. 1 gives each its own.
    pub jobs_per_commit: usize,
    /// Whether the schema is brought up to date; if not, one that is behind is refused.
    pub migrate: bool,
    /// The most pages of 4 KiB that the database may have; `None` leaves it to the disk.
    pub max_pages: Option<u32>,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            call_limit: Duration::from_secs(2),
            queue: 256,
            readers: 2,
            jobs_per_commit: 64,
            migrate: true,
            max_pages: None,
        }
    }
}

/// How long [`Store::close`] waits for what is in the queues and for the last checkpoint. A
/// process that ends earlier loses nothing: the next start finds it in the write-ahead log.
const CLOSE_LIMIT: Duration = Duration::from_secs(5);

/// A check that comes this soon after a commit doesn't write again.
const CHECK_FRESH: Duration = Duration::from_secs(1);

/// An embedded store, open. Dropping it ends its threads after what is in their queues.
pub struct SqliteStore {
    writes: Queue,
    reads: Queue,
    last_commit: LastCommit,
    /// Ends when the writer has ended, which is the last of the threads.
    ended: tokio::sync::Mutex<mpsc::Receiver<()>>,
}

impl SqliteStore {
    /// Opens the store in `data_dir`, made if it is not there, and brings its schema up to date.
    /// Blocks on the disk, and for up to 10 s while another process migrates.
    ///
    /// # Errors
    /// `Locked` at once when another node has it; whether to wait is the caller's decision.
    pub fn open(data_dir: &Path) -> Result<Self, OpenError> {
        Self::open_with(data_dir, &SqliteOptions::default())
    }

    /// The same with other limits.
    pub fn open_with(data_dir: &Path, options: &SqliteOptions) -> Result<Self, OpenError> {
        let dir = DataDir::make(data_dir)?;
        let life = Arc::new(dir.lock("chorus.lock")?);
        let connection = schema::open(&dir, options.migrate)?;
        writer::limit_size(&connection, options.max_pages).map_err(|error| dir.explain(&error))?;
        let (writes, write_inbox) = Queue::new(options.queue, options.call_limit, Unanswered::MayBeDone);
        let (reads, read_inbox) = Queue::new(options.queue, options.call_limit, Unanswered::Harmless);
        let last_commit = LastCommit::default();
        let threads = Threads { dir, life: Some(life) };
        let readers = threads.start_readers(options.readers, &read_inbox)?;
        let thread = Writer {
            dir: threads.dir.clone(),
            connection,
            inbox: write_inbox,
            jobs_per_commit: options.jobs_per_commit,
            max_pages: options.max_pages,
            readers,
            last_commit: Arc::clone(&last_commit),
            failing: false,
        };
        let (alive, ended) = mpsc::channel(1);
        threads.start("chorus-store-writer", Share::Brisk, alive, || thread.run())?;
        let ended = tokio::sync::Mutex::new(ended);
        Ok(Self { writes, reads, last_commit, ended })
    }

    /// Brings the schema of the store in `data_dir` up to date and does nothing else. It does not
    /// need the node's lock: a node that runs meanwhile goes on with the schema it knows, as far
    /// as the new one allows it.
    pub fn migrate(data_dir: &Path) -> Result<(), OpenError> {
        schema::open(&DataDir::make(data_dir)?, true).map(drop)
    }

    async fn write<F, T>(&self, work: F) -> Result<T>
    where
        F: FnOnce(&Connection) -> Result<T> + Send + 'static,
        T: Send + 'static,
    {
        self.writes.ask(work).await
    }

    async fn read<F, T>(&self, work: F) -> Result<T>
    where
        F: FnOnce(&Connection) -> Result<T> + Send + 'static,
        T: Send + 'static,
    {
        self.reads.ask(work).await
    }
}

/// What the threads of a store share.
struct Threads {
    dir: DataDir,
    /// Held by each of them as long as it lives; none beside a node.
    life: Option<Arc<DirLock>>,
}

impl Threads {
    /// Starts the readers; what is answered ends when the last of them has ended.
    fn start_readers(&self, count: usize, inbox: &queue::Inbox) -> Result<mpsc::Receiver<()>, OpenError> {
        let (alive, ended) = mpsc::channel(1);
        for _ in 0..count.max(1) {
            let reader = Reader { connection: self.dir.connect_reader()?, inbox: inbox.clone() };
            self.start("chorus-store-reader", Share::Steady, alive.clone(), || reader.run())?;
        }
        Ok(ended)
    }

    fn start(
        &self,
        name: &str,
        share: Share,
        alive: mpsc::Sender<()>,
        run: impl FnOnce() + Send + 'static,
    ) -> Result<(), OpenError> {
        let life = (self.life.clone(), alive);
        let body = move || {
            let _life = life;
            share.take();
            run();
        };
        let started = thread::Builder::new().name(name.into()).spawn(body);
        started
            .map(drop)
            .map_err(|source: io::Error| OpenError::File { path: self.dir.database(), source })
    }
}

/// The database's clock: the system's, because they are one machine.
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Numbers in `SQLite` are signed.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Tells what the metrics of this backend mean. Called once, after the recorder is there.
pub fn describe_metrics() {
    metrics::describe_histogram!(
        "chorus_store_commit_seconds",
        metrics::Unit::Seconds,
        "Time from the begin of a group of writes to its commit on disk"
    );
    metrics::describe_histogram!(
        "chorus_store_commit_jobs",
        metrics::Unit::Count,
        "Writing calls that shared one commit"
    );
    let _ = metrics::histogram!("chorus_store_commit_seconds");
    let _ = metrics::histogram!("chorus_store_commit_jobs");
}

#[async_trait]
impl Store for SqliteStore {
    async fn now(&self) -> Result<Timestamp> {
        if self.writes.is_open() { Ok(now()) } else { Err(queue::closed()) }
    }

    async fn check(&self) -> Result<()> {
        let fresh = self.last_commit.lock().is_some_and(|at: Instant| at.elapsed() < CHECK_FRESH);
        if fresh && self.writes.is_open() {
            return self.read(|connection| Ok(connection.query_row("SELECT 1", [], |_| Ok(()))?)).await;
        }
        self.write(|connection| {
            connection.prepare_cached("UPDATE pulse SET at = ?1")?.execute([now().0])?;
            Ok(())
        })
        .await
    }

    async fn exchange_health(&self, _node: Uuid, _bus_reached: bool) -> Result<bool> {
        Ok(false)
    }

    async fn sweep(&self) -> Result<u64> {
        let mut total = 0;
        for _ in 0..sweep::STEPS_MAX {
            let step = self.write(|connection| sweep::step(connection, now())).await?;
            total += step.deleted;
            if !step.more {
                break;
            }
        }
        Ok(total)
    }

    async fn close(&self) {
        self.writes.close();
        self.reads.close();
        let mut ended = self.ended.lock().await;
        if timeout(CLOSE_LIMIT, ended.recv()).await.is_err() {
            tracing::warn!("the database did not close in time; the next start recovers it");
        }
    }
}
