//! The node lock: a node alone has the database to itself, nodes of a cluster share it.
//!
//! An advisory lock of a session, so it ends with the connection that holds it; that one is kept for
//! nothing else. When it is lost the lock is taken again as soon as the server answers. Should
//! another node have it then, this one writes nothing to the log and is not ready until it gets it
//! back: two chats never share a database unknowingly. And should it be another chat's database (one
//! was put in its place), the node ends: whom it knows are others there.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use deadpool_postgres::{Object, Pool};
use parking_lot::Mutex;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{
    connect::{HOLD, KEY_NODE, KEY_SPACE, Target},
    failure::OpenError,
};
use crate::{
    shutdown::Tasks,
    store::{Result, StoreError},
};

/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(3);
/// The pause between attempts, and how often a held lock is looked at.
const PAUSE: Duration = Duration::from_millis(500);

/// What a node wants of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeLock {
    /// To have it alone.
    Exclusive,
    /// To share it with the other nodes of a cluster.
    Shared,
}

/// Which chat a database holds, see [`PostgresStore::chat`](super::PostgresStore::chat).
pub(super) const CHAT: &str = "SELECT applied_on FROM refinery_schema_history ORDER BY version LIMIT 1";

/// A lock that is held, or being taken again.
pub(super) struct Held {
    /// Another node has it.
    excluded: AtomicBool,
    session: Mutex<Option<Object>>,
    /// The store closes or the node stops: from then on the lock is not taken again.
    over: CancellationToken,
}

impl Held {
    /// Refuses while the lock is not held.
    pub(super) fn admit(&self) -> Result<()> {
        if self.excluded.load(Ordering::Acquire) {
            Err(StoreError::Unavailable("another node has taken over this database".into()))
        } else if self.is_lost() {
            Err(StoreError::Unavailable("the node lock is being taken again".into()))
        } else {
            Ok(())
        }
    }

    fn is_lost(&self) -> bool {
        self.session.lock().as_ref().is_none_or(|session| session.is_closed())
    }

    /// Lets go and waits until the server knows, so that the next node need not.
    pub(super) async fn release(&self) {
        self.over.cancel();
        let session = self.session.lock().take();
        if let Some(session) = session {
            let _ = timeout(ATTEMPT, session.execute("SELECT pg_advisory_unlock_all()", &[])).await;
            drop(Object::take(session));
        }
    }
}

/// Takes the lock and keeps it until the store closes or the node stops.
pub(super) async fn take(target: &Target, kind: NodeLock, tasks: &Tasks) -> Result<Arc<Held>, OpenError> {
    let pool = target.pool(1, HOLD)?;
    let Tried { session, chat } = attempt(&pool, kind).await?;
    let session = session.ok_or(OpenError::Locked)?;
    let held = Arc::new(Held {
        excluded: AtomicBool::new(false),
        session: Mutex::new(Some(session)),
        over: tasks.stopped().child_token(),
    });
    tasks.spawn("node lock", keep(held.clone(), (pool, kind, chat), tasks.clone()));
    Ok(held)
}

/// Looks after the lock until that is over.
async fn keep(held: Arc<Held>, (pool, kind, chat): (Pool, NodeLock, String), tasks: Tasks) {
    while held.over.run_until_cancelled(sleep(PAUSE)).await.is_some() {
        if !held.is_lost() {
            continue;
        }
        // The pool makes a new session when the lost one has gone back to it.
        drop(held.session.lock().take().map(Object::take));
        let Some(tried) = held.over.run_until_cancelled(attempt(&pool, kind)).await else {
            return;
        };
        match tried {
            Ok(tried) if tried.chat != chat => {
                tracing::error!("DATABASE_URL leads to another chat's database now; this node ends");
                return tasks.fail();
            }
            Ok(Tried { session: Some(session), .. }) => {
                *held.session.lock() = Some(session);
                if held.excluded.swap(false, Ordering::AcqRel) {
                    tracing::info!("this node has its database back");
                }
            }
            Ok(_) => {
                if !held.excluded.swap(true, Ordering::AcqRel) {
                    tracing::error!("another node has taken over this database; this one writes nothing");
                }
            }
            Err(error) => tracing::debug!(%error, "the node lock can't be taken again yet"),
        }
    }
}

/// What one try has found: a session that holds the lock, unless another node excludes this one.
struct Tried {
    session: Option<Object>,
    chat: String,
}

async fn attempt(pool: &Pool, kind: NodeLock) -> Result<Tried, OpenError> {
    let sql = match kind {
        NodeLock::Exclusive => "SELECT pg_try_advisory_lock($1, $2)",
        NodeLock::Shared => "SELECT pg_try_advisory_lock_shared($1, $2)",
    };
    let tried = async {
        let session = pool.get().await?;
        let chat = session.query_one(CHAT, &[]).await?.try_get(0)?;
        let row = session.query_one(sql, &[&KEY_SPACE, &KEY_NODE]).await?;
        Ok(Tried { session: row.try_get::<_, bool>(0)?.then_some(session), chat })
    };
    let late = |_| Err(OpenError::Unreachable("no answer in time".into()));
    timeout(ATTEMPT, tried).await.unwrap_or_else(late)
}
