//! The files of an embedded database: the directory, the lock that keeps a second node out, and
//! connections with the settings on which durability rests.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::Connection;

use super::failure::OpenError;

/// "CHOR", as the first migration writes it into the file's header.
const APPLICATION_ID: i32 = 1_128_812_370;

/// How long `SQLite` itself waits for a lock. Shorter than a call's limit, so that the caller
/// hears the cause. Only a migration by another process ever holds one.
const BUSY_LIMIT: Duration = Duration::from_secs(1);

/// Prepared statements that each connection keeps; there are about thirty in all.
const STATEMENTS: usize = 64;

/// A backstop in pages of 4 KiB. The writer empties the WAL long before, between two commits;
/// `SQLite`'s own checkpoint runs inside a commit, where people wait for it.
const WAL_PAGES_MAX: u32 = 16_384;

/// A directory that holds an embedded database.
#[derive(Debug, Clone)]
pub(super) struct DataDir(PathBuf);

/// The right to use a directory. The system takes it back when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct DirLock {
    _file: File,
}

impl DataDir {
    /// The directory, made for its owner alone if it is not there.
    pub(super) fn make(path: &Path) -> Result<Self, OpenError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(|source| file_error(path, source))?;
        Ok(Self(path.to_owned()))
    }

    /// One in which there is a database; nothing is made.
    pub(super) fn existing(path: &Path) -> Result<Self, OpenError> {
        let dir = Self(path.to_owned());
        if dir.database().is_file() { Ok(dir) } else { Err(OpenError::Missing(dir.0)) }
    }

    /// Where the database is.
    pub(super) fn database(&self) -> PathBuf {
        self.0.join("chorus.db")
    }

    /// Takes the lock called `name`, or says that somebody else has it. Never waits.
    pub(super) fn lock(&self, name: &str) -> Result<DirLock, OpenError> {
        let path = self.0.join(name);
        let file = private(&path)?;
        match file.try_lock() {
            Ok(()) => Ok(DirLock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(OpenError::Locked(self.0.clone())),
            Err(TryLockError::Error(source)) => Err(file_error(&path, source)),
        }
    }

    /// Opens a connection that may write. The file is made for its owner alone; `SQLite` gives
    /// its companions (`-wal`, `-shm`) the same mode.
    pub(super) fn connect(&self) -> Result<Connection, OpenError> {
        let path = self.database();
        drop(private(&path)?);
        let explain = |error: rusqlite::Error| self.explain(&error);
        let connection = Connection::open(&path).map_err(explain)?;
        if !is_ours(&connection).map_err(explain)? {
            let reason = "it belongs to another program".into();
            return Err(OpenError::NotOurs { path, reason });
        }
        prepare(&connection).map_err(explain)?;
        Ok(connection)
    }

    /// Opens a connection that only reads.
    pub(super) fn connect_reader(&self) -> Result<Connection, OpenError> {
        let connection = self.connect()?;
        connection.pragma_update(None, "query_only", true).map_err(|error| self.explain(&error))?;
        Ok(connection)
    }

    /// Tells a damaged or foreign file from other reasons.
    pub(super) fn explain(&self, error: &rusqlite::Error) -> OpenError {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        match error.sqlite_error_code() {
            Some(NotADatabase | DatabaseCorrupt) => {
                OpenError::NotOurs { path: self.database(), reason: error.to_string() }
            }
            _ => OpenError::Database(format!("{}: {error}", self.database().display())),
        }
    }
}

/// Asked before anything is written to the file. Without our mark it may be used only if nothing
/// is in it (or a first migration stopped half-way: refinery's own table comes first).
fn is_ours(connection: &Connection) -> rusqlite::Result<bool> {
    connection.busy_timeout(BUSY_LIMIT)?;
    let mark: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let sql = "SELECT count(*) FROM sqlite_schema WHERE tbl_name <> 'refinery_schema_history'";
    let things: i64 = connection.query_row(sql, [], |row| row.get(0))?;
    Ok(mark == APPLICATION_ID || (mark == 0 && things == 0))
}

/// `synchronous=FULL` syncs the WAL at each commit: what was acknowledged survives a power cut.
fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    let mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    if mode != "wal" {
        return Err(rusqlite::Error::InvalidParameterName(format!(
            "this file system has no write-ahead log (journal mode {mode})"
        )));
    }
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "wal_autocheckpoint", WAL_PAGES_MAX)
}

fn private(path: &Path) -> Result<File, OpenError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|source| file_error(path, source))
}

pub(super) fn file_error(path: &Path, source: io::Error) -> OpenError {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    OpenError::File { path, source }
}
