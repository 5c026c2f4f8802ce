//! The schema: migrations, and whether this binary may use what a newer one has made of it.
//!
//! Migrations expand first and contract one release later. Whoever applies a migration that
//! takes something away also raises `schema_compat.oldest`; a binary starts on a newer schema
//! as long as it knows that one.

use std::{
    thread,
    time::{Duration, Instant},
};

use rusqlite::{Connection, OptionalExtension};

use super::{
    failure::OpenError,
    file::{DataDir, DirLock},
};

#[allow(missing_docs, unreachable_pub, reason = "the macro writes it")]
mod embedded {
    refinery::embed_migrations!("migrations/sqlite");
}

/// How long another process may migrate before we give up.
const MIGRATION_WAIT: Duration = Duration::from_secs(10);

/// Opens the database with its schema brought up to date. Safe at each start and from several
/// processes at once: a file is not even looked at while another process fills it.
/// With `may_migrate` false a schema that is behind is refused instead.
pub(super) fn open(dir: &DataDir, may_migrate: bool) -> Result<Connection, OpenError> {
    let _one_at_a_time = migration_lock(dir)?;
    let mut connection = dir.connect()?;
    migrate(dir, &mut connection, may_migrate)?;
    Ok(connection)
}

fn migrate(dir: &DataDir, connection: &mut Connection, may_migrate: bool) -> Result<(), OpenError> {
    let runner = embedded::migrations::runner();
    let known = runner.get_migrations().iter().map(|m| i32_of(m.version())).max().unwrap_or(0);
    let found = applied(connection).map_err(|error| dir.explain(&error))?;
    if found > known {
        return tolerate(dir, connection, found, known);
    }
    if found < known && !may_migrate {
        return Err(OpenError::Behind { found, known });
    }
    let report = runner.run(connection).map_err(|error| OpenError::Migration(error.to_string()))?;
    for migration in report.applied_migrations() {
        tracing::info!(%migration, "the database was migrated");
    }
    Ok(())
}

/// Refinery reads what was applied and applies the rest in separate transactions, so two
/// processes must not do it at the same time.
fn migration_lock(dir: &DataDir) -> Result<DirLock, OpenError> {
    let deadline = Instant::now() + MIGRATION_WAIT;
    loop {
        match dir.lock("chorus.migrate.lock") {
            Err(error) if error.is_locked() && Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(50));
            }
            done => return done,
        }
    }
}

/// The newest migration that was applied; 0 for an empty file.
fn applied(connection: &Connection) -> rusqlite::Result<i32> {
    let table = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'refinery_schema_history'";
    if connection.query_row(table, [], |_| Ok(())).optional()?.is_none() {
        return Ok(0);
    }
    let sql = "SELECT coalesce(max(version), 0) FROM refinery_schema_history";
    connection.query_row(sql, [], |row| row.get(0))
}

fn tolerate(dir: &DataDir, connection: &Connection, found: i32, known: i32) -> Result<(), OpenError> {
    let sql = "SELECT oldest FROM schema_compat WHERE id = 1";
    let oldest: i32 = connection.query_row(sql, [], |row| row.get(0)).map_err(|error| dir.explain(&error))?;
    if oldest > known {
        return Err(OpenError::TooNew { found, oldest, known });
    }
    tracing::info!(found, known, "the database's schema is newer than this release, and allows it");
    Ok(())
}

/// Refinery's version type depends on a feature of it.
fn i32_of(version: impl TryInto<i32>) -> i32 {
    version.try_into().unwrap_or(i32::MAX)
}
