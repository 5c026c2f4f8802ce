//! Which schemas a binary works with: one rule, whatever the database.
//!
//! Migrations expand first and contract one release later. Whoever applies a migration that takes
//! something away also raises `schema_compat.oldest`; a binary starts on a newer schema as long as
//! it knows that one.

use refinery::Runner;

/// Why the schema of a database does not do.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// A newer release changed the database so that this one can't work with it.
    #[error(
        "the database has schema {found}, which needs a release that knows schema {oldest}; this one knows {known}"
    )]
    TooNew {
        /// The newest migration that was applied to it.
        found: i32,
        /// The oldest schema a binary must know to use it.
        oldest: i32,
        /// The newest one this binary knows.
        known: i32,
    },
    /// The schema is older than this release needs, and migrating was not allowed.
    #[error("the database has schema {found}, this release needs {known}: run `chorus migrate`")]
    Behind {
        /// The newest migration that was applied to it.
        found: i32,
        /// The newest one this binary knows.
        known: i32,
    },
    /// A migration failed; the database is as it was before it.
    #[error("migrating the database: {0}")]
    Migration(String),
}

/// The newest migration that was applied, where there is a history of them.
pub(super) const APPLIED: &str =
    "SELECT CAST(coalesce(max(version), 0) AS integer) FROM refinery_schema_history";
/// The oldest schema that a binary must know.
pub(super) const OLDEST: &str = "SELECT oldest FROM schema_compat WHERE id = 1";

/// The newest migration that this binary knows.
pub(super) fn known(runner: &Runner) -> i32 {
    runner
        .get_migrations()
        .iter()
        .map(|migration| i32_of(migration.version()))
        .max()
        .unwrap_or(0)
}

/// Takes a schema that is newer than what this binary knows, if that allows it.
pub(super) fn tolerate(found: i32, oldest: i32, known: i32) -> Result<(), SchemaError> {
    if oldest > known {
        return Err(SchemaError::TooNew { found, oldest, known });
    }
    tracing::info!(found, known, "the database's schema is newer than this release, and allows it");
    Ok(())
}

/// Says which migrations were applied.
pub(super) fn announce(report: &refinery::Report) {
    for migration in report.applied_migrations() {
        tracing::info!(%migration, "the database was migrated");
    }
}

/// Refinery's version type depends on a feature of it.
fn i32_of(version: impl TryInto<i32>) -> i32 {
    version.try_into().unwrap_or(i32::MAX)
}
