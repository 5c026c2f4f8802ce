//! Work beside the node that has the directory, or where none runs: reading, and a copy of the whole. A reader of
//! a write-ahead log sees one moment of the database and keeps nobody who writes from writing.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf, absolute},
};

use uuid::Uuid;

use super::{
    LastCommit, OpenError, Queue, SqliteOptions, SqliteStore, Threads, Unanswered,
    file::{DataDir, file_error},
    schema,
};

impl SqliteStore {
    /// Opens the store in `data_dir` to read only, whoever else has it; calls that write are `Unavailable`.
    ///
    /// # Errors
    /// When there is no database yet, or its schema is not the one that this release works with.
    pub fn open_beside(data_dir: &Path) -> Result<Self, OpenError> {
        let options = SqliteOptions::default();
        let dir = DataDir::existing(data_dir)?;
        schema::check(&dir)?;
        let (writes, _nobody) = Queue::new(1, options.call_limit, Unanswered::Harmless);
        let (reads, inbox) = Queue::new(options.queue, options.call_limit, Unanswered::Harmless);
        let threads = Threads { dir, life: None };
        let ended = threads.start_readers(options.readers, &inbox)?;
        Ok(Self {
            writes,
            reads,
            last_commit: LastCommit::default(),
            ended: tokio::sync::Mutex::new(ended),
        })
    }

    /// Copies the database in `data_dir`, as it is at one moment, into `file`, for its owner alone. The copy has
    /// that name only when it is whole and on disk.
    ///
    /// # Errors
    /// When there is no database, there is something of that name already, or the disk is full.
    pub fn back_up(data_dir: &Path, file: &Path) -> Result<(), OpenError> {
        let dir = DataDir::existing(data_dir)?;
        let failed = |source| OpenError::File { path: file.to_owned(), source };
        if file.symlink_metadata().is_ok() {
            return Err(failed(io::ErrorKind::AlreadyExists.into()));
        }
        let part = part_of(file).map_err(failed)?;
        let made = copy(&dir, &part).and_then(|()| {
            // Unlike a rename, this never takes the place of another file.
            fs::hard_link(&part, file).map_err(failed)?;
            sync_folder(file).map_err(failed)
        });
        let _ = fs::remove_file(&part);
        made
    }
}

/// Where a copy is until it is whole: beside it, under a name that nobody else has.
fn part_of(file: &Path) -> io::Result<PathBuf> {
    let whole = absolute(file)?;
    let name = whole.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    Ok(whole.with_file_name(format!(".{}.{}.part", name.display(), Uuid::new_v4().simple())))
}

fn copy(dir: &DataDir, part: &Path) -> Result<(), OpenError> {
    let failed = |source| file_error(part, source);
    let connection = dir.connect()?;
    // SQLite takes an empty file, and so its mode is ours.
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(part).map_err(failed)?;
    let Some(name) = part.to_str() else {
        return Err(failed(io::ErrorKind::InvalidInput.into()));
    };
    connection.execute("VACUUM INTO ?1", [name]).map_err(|error| dir.explain(&error))?;
    file.sync_all().map_err(failed)
}

/// A name is only on disk with its folder.
fn sync_folder(file: &Path) -> io::Result<()> {
    File::open(absolute(file)?.parent().unwrap_or(Path::new("/")))?.sync_all()
}
