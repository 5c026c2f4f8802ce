//! The schema, brought up to date by one process at a time, or taken as a newer release has made it.

use std::{
    cmp::Ordering,
    thread,
    time::{Duration, Instant},
};

use rusqlite::{Connection, OptionalExtension};

use super::{
    failure::OpenError,
    file::{DataDir, DirLock},
};
use crate::store::schema::{self, SchemaError};

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

/// Whether this binary can read the database as it is; nothing is changed.
pub(super) fn check(dir: &DataDir) -> Result<(), OpenError> {
    let _not_while_it_changes = migration_lock(dir)?;
    let connection = dir.connect_reader()?;
    let known = schema::known(&embedded::migrations::runner());
    let found = applied(&connection).map_err(|error| dir.explain(&error))?;
    match found.cmp(&known) {
        Ordering::Less => Err(SchemaError::Behind { found, known }.into()),
        Ordering::Equal => Ok(()),
        Ordering::Greater => tolerate(dir, &connection, found, known),
    }
}

fn migrate(dir: &DataDir, connection: &mut Connection, may_migrate: bool) -> Result<(), OpenError> {
    let runner = embedded::migrations::runner();
    let known = schema::known(&runner);
    let found = applied(connection).map_err(|error| dir.explain(&error))?;
    if found > known {
        return tolerate(dir, connection, found, known);
    }
    if found < known && !may_migrate {
        return Err(SchemaError::Behind { found, known }.into());
    }
    let report = runner.run(connection);
    schema::announce(&report.map_err(|error| SchemaError::Migration(error.to_string()))?);
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
    connection.query_row(schema::APPLIED, [], |row| row.get(0))
}

fn tolerate(dir: &DataDir, connection: &Connection, found: i32, known: i32) -> Result<(), OpenError> {
    let oldest = connection.query_row(schema::OLDEST, [], |row| row.get(0));
    Ok(schema::tolerate(found, oldest.map_err(|error| dir.explain(&error))?, known)?)
}
