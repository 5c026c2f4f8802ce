//! What goes wrong in `SQLite`, told as the caller's situation.

use std::{io, path::PathBuf};

use rusqlite::ErrorCode;

use crate::store::{SchemaError, StoreError};

/// Why an embedded database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another node has this directory open.
    #[error("{} is in use by another node", .0.display())]
    Locked(PathBuf),
    /// There is no database to read.
    #[error("there is no database in {}", .0.display())]
    Missing(PathBuf),
    /// A file or directory can't be made, read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is a file, but it is damaged or something else's.
    #[error("{} is not a Chorus database, or it is damaged: {reason}", path.display())]
    NotOurs {
        /// Which.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// Its schema does not do.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The database does not open for another reason.
    #[error("opening the database: {0}")]
    Database(String),
}

impl OpenError {
    /// Whether waiting may help: somebody else holds what is needed.
    pub const fn is_locked(&self) -> bool {
        matches!(self, Self::Locked(_))
    }
}

/// A fault of the data is `Rejected` (it will be refused again), everything else means that the
/// database can't do it now. Valid as long as nothing was committed; see `writer::commit`.
impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        if is_data_fault(&error) {
            Self::Rejected(error.to_string())
        } else {
            Self::Unavailable(error.to_string())
        }
    }
}

fn is_data_fault(error: &rusqlite::Error) -> bool {
    match error.sqlite_error_code() {
        None => true,
        Some(code) => matches!(
            code,
            ErrorCode::ConstraintViolation
                | ErrorCode::TooBig
                | ErrorCode::TypeMismatch
                | ErrorCode::ParameterOutOfRange
                | ErrorCode::ApiMisuse
                | ErrorCode::Unknown
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::{Error, ffi};

    fn failure(code: i32) -> StoreError {
        Error::SqliteFailure(ffi::Error::new(code), None).into()
    }

    #[test]
    fn only_a_fault_of_the_data_is_rejected() {
        for code in [
            ffi::SQLITE_CONSTRAINT_FOREIGNKEY,
            ffi::SQLITE_TOOBIG,
            ffi::SQLITE_MISMATCH,
        ] {
            assert!(matches!(failure(code), StoreError::Rejected(_)), "{code}");
        }
        for code in [
            ffi::SQLITE_BUSY,
            ffi::SQLITE_FULL,
            ffi::SQLITE_READONLY,
            ffi::SQLITE_IOERR_WRITE,
            ffi::SQLITE_CORRUPT,
            ffi::SQLITE_NOMEM,
        ] {
            assert!(matches!(failure(code), StoreError::Unavailable(_)), "{code}");
        }
    }
}
