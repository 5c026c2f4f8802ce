//! The nodes of a fresh cluster on Redis: on servers that all tests of this process share, each
//! cluster under a name of its own.

use std::sync::{Arc, LazyLock};

use chorus::{
    cluster::redis::{RedisCluster, RedisOptions},
    shutdown::Tasks,
};
use uuid::Uuid;

use crate::{
    fixture::{NodeEnds, Opened},
    servers::redis as servers,
};

/// They end with this process.
static ALONE: LazyLock<servers::Redis> = LazyLock::new(servers::Redis::start);
static MANY: LazyLock<servers::RedisCluster> = LazyLock::new(servers::RedisCluster::start);

/// What ends the connections of a cluster's nodes with the test.
pub(crate) struct Home(pub(crate) Tasks);

impl Drop for Home {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// One node on a cluster of this name.
pub(crate) async fn node(url: &str, space: &str, tasks: &Tasks) -> NodeEnds {
    node_of("the only one", url, space, tasks).await
}

/// One node of this chat.
pub(crate) async fn node_of(chat: &str, url: &str, space: &str, tasks: &Tasks) -> NodeEnds {
    let options = RedisOptions {
        url: url.to_owned().into(),
        space: space.to_owned(),
        chat: chat.to_owned(),
    };
    let node = Arc::new(RedisCluster::open(&options, tasks).await.unwrap());
    NodeEnds { bus: node.clone(), presence: node.clone(), peers: node }
}

pub(crate) fn any_space() -> String {
    format!("test-{}", Uuid::new_v4().simple())
}

async fn opened(url: &str, nodes: usize) -> Opened {
    let (space, tasks) = (any_space(), Tasks::new());
    let mut ends = Vec::new();
    for _ in 0..nodes {
        ends.push(node(url, &space, &tasks).await);
    }
    Opened { nodes: ends, _home: Box::new(Home(tasks)) }
}

/// Nodes of a fresh cluster on one server.
pub(crate) async fn fresh(nodes: usize) -> Opened {
    opened(&ALONE.url(), nodes).await
}

/// Nodes of a fresh cluster on a Redis Cluster.
pub(crate) async fn fresh_on_cluster(nodes: usize) -> Opened {
    opened(&MANY.url(), nodes).await
}
