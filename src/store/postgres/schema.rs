//! The schema: migrations, one node at a time, and whether this binary may use what a newer one has
//! made of it.
//!
//! Migrations expand first and contract one release later. Whoever applies a migration that takes
//! something away also raises `schema_compat.oldest`; a binary starts on a newer schema as long as
//! it knows that one.

use std::time::Duration;

use deadpool_postgres::Object;
use tokio::time::timeout;
use tokio_postgres::Client;

use super::{
    connect::{KEY_MIGRATION, KEY_SPACE, MIGRATE, Target},
    failure::{OpenError, told},
};

#[allow(missing_docs, unreachable_pub, reason = "the macro writes it")]
mod embedded {
    refinery::embed_migrations!("migrations/postgres");
}

/// How long other nodes may migrate before we give up.
const WAIT: &str = "SET lock_timeout = '60s'";
/// How long connecting, or a look at the schema, may take.
const LOOK: Duration = Duration::from_secs(5);
/// How long migrating may take in all, the wait for another node that does it included.
const MIGRATION: Duration = Duration::from_mins(30);

/// Brings the schema up to date, or with `may_migrate` false refuses one that is behind.
pub(super) async fn prepare(target: &Target, may_migrate: bool) -> Result<(), OpenError> {
    let pool = target.pool(1, MIGRATE)?;
    let mut session = within(LOOK, async { Ok(pool.get().await?) }).await?;
    let known = known();
    let found = within(LOOK, applied(&session)).await?;
    if found < known {
        if !may_migrate {
            return Err(OpenError::Behind { found, known });
        }
        within(MIGRATION, migrate(&mut session)).await?;
    } else if found > known {
        within(LOOK, tolerate(&session, found, known)).await?;
    }
    Ok(())
}

/// The server's own timeouts don't help while it is frozen.
async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, OpenError>>,
) -> Result<T, OpenError> {
    let late = |_| Err(OpenError::Unreachable("no answer in time".into()));
    timeout(limit, work).await.unwrap_or_else(late)
}

/// Refinery reads what was applied and applies the rest in separate transactions, so two nodes must
/// not do it at the same time. The lock ends with the session.
async fn migrate(session: &mut Object) -> Result<(), OpenError> {
    let failed = |error: tokio_postgres::Error| OpenError::Migration(told(&error));
    session.batch_execute(WAIT).await.map_err(failed)?;
    let lock = "SELECT pg_advisory_lock($1, $2)";
    session.execute(lock, &[&KEY_SPACE, &KEY_MIGRATION]).await.map_err(failed)?;
    session.batch_execute(MIGRATE).await.map_err(failed)?;
    let client: &mut Client = session;
    let report = embedded::migrations::runner().run_async(client).await;
    let report = report.map_err(|error| OpenError::Migration(reason(&error)))?;
    for migration in report.applied_migrations() {
        tracing::info!(%migration, "the database was migrated");
    }
    let unlock = "SELECT pg_advisory_unlock($1, $2)";
    session.execute(unlock, &[&KEY_SPACE, &KEY_MIGRATION]).await.map_err(failed)?;
    Ok(())
}

/// The whole chain: the outermost words don't say what failed.
fn reason(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        if let Some(postgres) = next.downcast_ref::<tokio_postgres::Error>() {
            return format!("{text}: {}", told(postgres));
        }
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}

/// The newest migration this binary knows.
fn known() -> i32 {
    let runner = embedded::migrations::runner();
    runner.get_migrations().iter().map(|m| i32_of(m.version())).max().unwrap_or(0)
}

/// The newest migration that was applied; 0 for a database without any.
async fn applied(session: &Object) -> Result<i32, OpenError> {
    let table = "SELECT to_regclass('refinery_schema_history') IS NOT NULL";
    if !session.query_one(table, &[]).await?.try_get::<_, bool>(0)? {
        return Ok(0);
    }
    let sql = "SELECT coalesce(max(version), 0)::integer FROM refinery_schema_history";
    Ok(session.query_one(sql, &[]).await?.try_get(0)?)
}

async fn tolerate(session: &Object, found: i32, known: i32) -> Result<(), OpenError> {
    let sql = "SELECT oldest FROM schema_compat WHERE id = 1";
    let oldest: i32 = session.query_one(sql, &[]).await?.try_get(0)?;
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
