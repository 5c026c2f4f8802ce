//! The server backend: PostgreSQL 14 or later, shared by all nodes of a cluster.
//!
//! Each call is one statement that commits by itself ([`calls`]); what takes more steps is a
//! function in the migration. So a node that freezes holds no lock, and every call is bounded twice:
//! by the server's own timeouts, and a little later by this side, which then gives the connection up.
//! The log has connections of its own, so that a storm of sign-ins can't keep messages waiting.
//!
//! A node alone holds the database's node lock exclusively, nodes of a cluster share it ([`lock`]).

mod accounts;
mod bots;
mod calls;
mod connect;
mod cookies;
mod failure;
mod horizon;
mod lock;
mod log;
mod pools;
mod relaying;
mod replicas;
mod retention;
mod schema;
mod sign_ins;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use secrecy::SecretString;
use uuid::Uuid;

use self::{
    calls::{Calls, Effect, PATIENT},
    connect::Target,
    horizon::Horizon,
    lock::Held,
    replicas::Replicas,
};
pub use self::{failure::OpenError, lock::NodeLock};
use super::{LaggingReads, Result, Store};
use crate::{
    domain::{PEER_HEALTH_TTL, Timestamp},
    shutdown::Tasks,
};

/// Most rows of one table that one step of a sweep deletes.
const SWEEP_ROWS: i64 = 500;
/// Most steps of one sweep; what is left waits for the next one.
const SWEEP_STEPS: usize = 1_000;
/// What expired is kept this much longer: a node reckons the database's time with a small error,
/// and a nonce it thinks alive must still be found.
const SWEEP_MARGIN: Duration = Duration::from_mins(1);
/// How long a revocation is kept: ten times the window that nodes read.
const REVOCATION_KEPT: Duration = Duration::from_mins(10);

/// Which database, and as what.
#[derive(Debug, Clone)]
pub struct PostgresOptions {
    /// The primary, as libpq understands it.
    pub url: SecretString,
    /// Whether the schema is brought up to date; if not, one that is behind is refused.
    pub migrate: bool,
    /// What a node locks as long as the store is open; `None` for a command beside the nodes.
    pub lock: Option<NodeLock>,
    /// The most connections beside the one that holds the lock: half of them for the log (its writer's
    /// lanes, and those who read from it), the rest for everything else. As many as that rest to each
    /// replica.
    pub connections: usize,
}

/// A store on a PostgreSQL server, open.
pub struct PostgresStore {
    log: Calls,
    other: Calls,
    lock: Option<Arc<Held>>,
    /// The database's clock, for the deadlines of appends.
    horizon: Horizon,
    target: Target,
    /// Of everything else.
    others: usize,
}

impl PostgresStore {
    /// Connects, brings the schema up to date under an advisory lock, and takes the node lock.
    ///
    /// # Errors
    /// `Locked` at once when another node's lock excludes this one; `Unreachable` when the database
    /// does not answer within a few seconds. Whether to wait is the caller's decision.
    pub async fn open(options: &PostgresOptions, tasks: &Tasks) -> Result<Self, OpenError> {
        let target = Target::parse(&options.url)?;
        schema::prepare(&target, options.migrate).await?;
        let lock = match options.lock {
            None => None,
            Some(kind) => Some(lock::take(&target, kind, tasks).await?),
        };
        let others = (options.connections / 2).max(1);
        let of_the_log = options.connections.saturating_sub(others).max(1);
        let log = Calls::new(&target, of_the_log, PATIENT)?;
        let other = Calls::new(&target, others, PATIENT)?;
        pools::watch("log", [&log], tasks);
        pools::watch("other", [&other], tasks);
        Ok(Self { log, other, lock, horizon: Horizon::new(), target, others })
    }

    /// Brings the schema up to date and does nothing else. It needs no node lock: nodes that run
    /// meanwhile go on with the schema they know, as far as the new one allows it.
    ///
    /// # Errors
    /// As [`PostgresStore::open`].
    pub async fn migrate(url: &SecretString) -> Result<(), OpenError> {
        schema::prepare(&Target::parse(url)?, true).await
    }

    /// Reads from replicas of this database, as far as they may lag.
    ///
    /// # Errors
    /// When a URL can't be used. A replica that can't be reached is asked when it can.
    pub fn replicas(
        self: &Arc<Self>,
        urls: &[SecretString],
        tasks: &Tasks,
    ) -> Result<Arc<dyn LaggingReads>, OpenError> {
        Ok(Replicas::start(self, urls, tasks)?)
    }

    /// Something that this chat's database alone has, and keeps through failovers and restores: when its
    /// first migration was applied, to the nanosecond. (The server's own `system_identifier` is another
    /// one after a restore from a dump.) A copy has it too: it is the same chat.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn chat(&self) -> Result<String> {
        let row = self.other.one(Effect::Read, lock::CHAT, &[]).await?;
        Ok(row.try_get(0)?)
    }

    /// A node whose lock went to another, while the connection that held it was lost, writes
    /// nothing to the log.
    fn admit(&self) -> Result<()> {
        self.lock.as_ref().map_or(Ok(()), |lock| lock.admit())
    }
}

/// Tells what the metrics of this backend mean. Called once, after the recorder is there.
pub fn describe_metrics() {
    metrics::describe_histogram!(
        "chorus_postgres_call_seconds",
        metrics::Unit::Seconds,
        "Time of one call to PostgreSQL, the wait for a connection included"
    );
    let _ = metrics::histogram!("chorus_postgres_call_seconds");
    failure::Told::describe();
    pools::describe_metrics();
    replicas::describe_metrics();
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

#[async_trait]
impl Store for PostgresStore {
    async fn now(&self) -> Result<Timestamp> {
        let sent = Instant::now();
        let row = self.other.one(Effect::Read, "SELECT chorus_now()", &[]).await?;
        let now = Timestamp(row.try_get(0)?);
        self.horizon.learn(sent, now);
        Ok(now)
    }

    async fn check(&self) -> Result<()> {
        self.admit()?;
        let sql = "UPDATE pulse SET at = chorus_now()";
        self.log.query(Effect::Read, sql, &[]).await.map(drop)
    }

    async fn exchange_health(&self, node: Uuid, bus_reached: bool) -> Result<bool> {
        let sql = "WITH told AS (
                INSERT INTO node_health (node, bus_reached, at) VALUES ($1, $2, chorus_now())
                ON CONFLICT (node) DO UPDATE SET bus_reached = excluded.bus_reached, at = excluded.at
            )
            SELECT EXISTS (SELECT FROM node_health
                WHERE node <> $1 AND bus_reached AND at > chorus_now() - $3)";
        let counts = millis(PEER_HEALTH_TTL);
        let row = self.other.one(Effect::Read, sql, &[&node, &bus_reached, &counts]).await?;
        Ok(row.try_get(0)?)
    }

    async fn sweep(&self) -> Result<u64> {
        let mut total = 0;
        let (margin, kept) = (millis(SWEEP_MARGIN), millis(REVOCATION_KEPT));
        for _ in 0..SWEEP_STEPS {
            let sql = "SELECT deleted, more FROM chorus_sweep($1, $2, $3)";
            let row = self.other.one(Effect::Read, sql, &[&SWEEP_ROWS, &margin, &kept]).await?;
            total += row.try_get::<_, i64>(0)?.unsigned_abs();
            if !row.try_get::<_, bool>(1)? {
                break;
            }
        }
        for _ in 0..SWEEP_STEPS {
            let gone = self.forget_dead_letters(SWEEP_ROWS).await?;
            total += gone;
            if gone == 0 {
                break;
            }
        }
        Ok(total)
    }

    async fn close(&self) {
        self.log.close().await;
        self.other.close().await;
        if let Some(lock) = &self.lock {
            lock.release().await;
        }
    }
}
