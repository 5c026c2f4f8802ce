//! The schema, brought up to date by one node at a time, or taken as a newer release has made it.

use std::time::Duration;

use deadpool_postgres::Object;
use tokio::time::timeout;
use tokio_postgres::Client;

use super::{
    connect::{KEY_MIGRATION, KEY_SPACE, MIGRATE, Target},
    failure::{OpenError, told},
};
use crate::store::schema::{self, SchemaError};

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
    let known = schema::known(&embedded::migrations::runner());
    let found = within(LOOK, applied(&session)).await?;
    if found < known {
        if !may_migrate {
            return Err(SchemaError::Behind { found, known }.into());
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
    let failed = |error: tokio_postgres::Error| SchemaError::Migration(told(&error));
    session.batch_execute(WAIT).await.map_err(failed)?;
    let lock = "SELECT pg_advisory_lock($1, $2)";
    session.execute(lock, &[&KEY_SPACE, &KEY_MIGRATION]).await.map_err(failed)?;
    session.batch_execute(MIGRATE).await.map_err(failed)?;
    let client: &mut Client = session;
    let report = embedded::migrations::runner().run_async(client).await;
    schema::announce(&report.map_err(|error| SchemaError::Migration(reason(&error)))?);
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

/// The newest migration that was applied; 0 for a database without any.
async fn applied(session: &Object) -> Result<i32, OpenError> {
    let table = "SELECT to_regclass('refinery_schema_history') IS NOT NULL";
    if !session.query_one(table, &[]).await?.try_get::<_, bool>(0)? {
        return Ok(0);
    }
    Ok(session.query_one(schema::APPLIED, &[]).await?.try_get(0)?)
}

async fn tolerate(session: &Object, found: i32, known: i32) -> Result<(), OpenError> {
    let oldest: i32 = session.query_one(schema::OLDEST, &[]).await?.try_get(0)?;
    Ok(schema::tolerate(found, oldest, known)?)
}
