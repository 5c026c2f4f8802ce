//! One of those that are compared: processes that hold sockets, what stands behind them, and how one
//! speaks to them.

use std::{net::SocketAddr, time::Duration};

use super::speech::Speech;
use crate::{Outcome, kernel, node::Process};

const MIB: f64 = 1024.0 * 1024.0;

pub(crate) struct Contender {
    pub(crate) name: &'static str,
    pub(crate) speech: Speech,
    /// Where members come in, one address a process.
    pub(crate) doors: Vec<SocketAddr>,
    /// The processes that hold the sockets.
    pub(crate) nodes: Vec<u32>,
    /// What they stand on.
    pub(crate) behind: Vec<(&'static str, u32)>,
    /// The Redis that the nodes of Chorus share.
    pub(crate) redis: Option<SocketAddr>,
    /// What each member is let in by.
    pub(crate) people: Vec<String>,
    /// They end with this, in this order.
    pub(crate) _running: Vec<Process>,
}

/// CPU used so far.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Used {
    /// By the processes that hold sockets.
    pub(crate) nodes: Duration,
    /// By what stands behind them.
    pub(crate) behind: Duration,
}

impl Used {
    pub(crate) const fn since(self, before: Self) -> Self {
        Self {
            nodes: self.nodes.saturating_sub(before.nodes),
            behind: self.behind.saturating_sub(before.behind),
        }
    }

    pub(crate) fn all(self) -> Duration {
        self.nodes + self.behind
    }
}

impl Contender {
    pub(crate) fn used(&self) -> Outcome<Used> {
        let mut used = Used::default();
        for node in &self.nodes {
            used.nodes += kernel::cpu(*node)?;
        }
        for (_, server) in &self.behind {
            used.behind += kernel::cpu_of_all(*server)?;
        }
        Ok(used)
    }

    /// Resident MiB of every process. (Of PostgreSQL the first one's: what its sessions share would
    /// count many times.)
    pub(crate) fn memory(&self) -> Outcome<Vec<(&'static str, f64)>> {
        let nodes = self.nodes.iter().map(|node| ("process", *node));
        nodes
            .chain(self.behind.iter().copied())
            .map(|(name, process)| Ok((name, kernel::rss(process)? / MIB)))
            .collect()
    }

    /// The same of its largest process that holds sockets.
    pub(crate) fn largest(&self) -> Outcome<f64> {
        let sizes = self.nodes.iter().map(|node| kernel::rss(*node)).collect::<Outcome<Vec<_>>>()?;
        Ok(sizes.into_iter().fold(0.0, f64::max) / MIB)
    }
}
