//! What a node stands on: which database and which cluster, by the settings.

use std::{sync::Arc, time::Duration};

use secrecy::SecretString;
use tokio::{
    task::spawn_blocking,
    time::{Instant, sleep},
};

use super::StartError;
use crate::{
    cluster::{
        Bus, Peers, Presence,
        local::LocalCluster,
        redis::{self, RedisCluster, RedisOptions},
    },
    config::{Config, Database},
    shutdown::Tasks,
    store::{
        LaggingReads, Store,
        postgres::{NodeLock, PostgresOptions, PostgresStore},
        sqlite::{OpenError, SqliteOptions, SqliteStore},
    },
};

/// How long a second node on the same database waits for the first to go.
const LOCK_WAIT: Duration = Duration::from_mins(1);
/// How often it looks.
const LOCK_LOOK: Duration = Duration::from_millis(500);

/// What a node stands on.
#[derive(Clone)]
pub struct Backends {
    /// What lasts.
    pub store: Arc<dyn Store>,
    /// The doorbell.
    pub bus: Arc<dyn Bus>,
    /// Who is connected where.
    pub presence: Arc<dyn Presence>,
    /// What else nodes tell each other.
    pub peers: Arc<dyn Peers>,
    /// Read replicas of the store, if there are any.
    pub replicas: Option<Arc<dyn LaggingReads>>,
    /// Whether no other node shares the store.
    pub alone: bool,
}

impl Backends {
    /// The database that the settings name, and the cluster that they name or one of one node. Waits
    /// while another node holds the database, and while its server does not answer yet; never for
    /// Redis, without which a chat goes on.
    ///
    /// # Errors
    /// What opening it answers; that it is held or out of reach after a minute.
    pub async fn open(config: &Config, tasks: &Tasks) -> Result<Self, StartError> {
        let Some(database) = &config.database else {
            let store = Arc::new(open_embedded(config).await?);
            return Ok(Self::of(store, None, LocalCluster::new().node(), true));
        };
        let store = Arc::new(open_server(config, database, tasks).await?);
        let replicas = match &database.replicas[..] {
            [] => None,
            urls => Some(store.replicas(urls, tasks)?),
        };
        match &config.redis_url {
            Some(url) => {
                let node = Arc::new(open_cluster(url, store.chat().await?, tasks).await?);
                Ok(Self::of(store, replicas, node, false))
            }
            None => Ok(Self::of(store, replicas, LocalCluster::new().node(), true)),
        }
    }

    fn of<C>(
        store: Arc<dyn Store>,
        replicas: Option<Arc<dyn LaggingReads>>,
        cluster: Arc<C>,
        alone: bool,
    ) -> Self
    where
        C: Bus + Presence + Peers + 'static,
    {
        Self {
            store,
            bus: cluster.clone(),
            presence: cluster.clone(),
            peers: cluster,
            replicas,
            alone,
        }
    }
}

/// The embedded database in `DATA_DIR`.
async fn open_embedded(config: &Config) -> Result<SqliteStore, StartError> {
    let began = Instant::now();
    let options = SqliteOptions { migrate: config.migrate_on_start, ..SqliteOptions::default() };
    loop {
        let (dir, options) = (config.data_dir.clone(), options.clone());
        let opened = spawn_blocking(move || SqliteStore::open_with(&dir, &options)).await;
        match opened.unwrap_or_else(|error| Err(OpenError::Database(error.to_string()))) {
            Err(OpenError::Locked(_)) if began.elapsed() < LOCK_WAIT => {
                if began.elapsed() < LOCK_LOOK {
                    tracing::warn!(data_dir = %config.data_dir.display(), "another node uses this folder; waiting for it");
                }
                sleep(LOCK_LOOK).await;
            }
            other => return Ok(other?),
        }
    }
}

/// The Redis that the settings name, unless it is another chat's. That one may have just gone.
async fn open_cluster(url: &SecretString, chat: String, tasks: &Tasks) -> Result<RedisCluster, StartError> {
    let began = Instant::now();
    let node = RedisCluster::open(&RedisOptions::new(url.clone(), chat), tasks).await?;
    while node.is_anothers() {
        if began.elapsed() >= LOCK_WAIT {
            return Err(redis::OpenError::AnotherChat.into());
        }
        sleep(LOCK_LOOK).await;
    }
    Ok(node)
}

/// The PostgreSQL database that the settings name.
async fn open_server(
    config: &Config,
    database: &Database,
    tasks: &Tasks,
) -> Result<PostgresStore, StartError> {
    let began = Instant::now();
    let options = PostgresOptions {
        url: database.url.clone(),
        migrate: config.migrate_on_start,
        connections: database.connections,
        lock: Some(if config.redis_url.is_some() { NodeLock::Shared } else { NodeLock::Exclusive }),
    };
    let mut told = false;
    loop {
        match PostgresStore::open(&options, tasks).await {
            Err(error) if error.may_pass() && began.elapsed() < LOCK_WAIT => {
                if !std::mem::replace(&mut told, true) {
                    tracing::warn!(%error, limit = ?LOCK_WAIT, "waiting for the database");
                }
                sleep(LOCK_LOOK).await;
            }
            other => return Ok(other?),
        }
    }
}
