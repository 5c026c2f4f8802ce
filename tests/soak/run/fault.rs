//! What can break, one thing at a time: what it is called, and which two of them can be there at once.

use std::{fmt, time::Duration};

/// So many kinds there are.
pub const KINDS: usize = 15;

/// What a line suffers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    Cut,
    Late(Duration),
    /// Nothing arrives until it is over.
    Held,
    /// What the one who connected says is lost.
    Deaf,
    /// What it is told is lost.
    Dumb,
}

/// What breaks. Numbers are places of nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    NodeKilled(usize),
    NodeFrozen(usize),
    NodeRestarted(usize),
    /// One after the other; all but one who is spared.
    AllRestarted(Option<usize>),
    RedisKilled,
    RedisFrozen,
    RedisEmptied,
    RedisDropsListeners,
    RedisLine(usize, Trouble),
    PostgresKilled,
    PostgresFrozen,
    PostgresLine(usize, Trouble),
    /// Between a node, and people and nginx.
    DoorLine(usize, Trouble),
    Gossip,
    NginxReloaded,
}

/// What a fault strikes, for the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Nodes,
    Redis,
    Postgres,
    Lines,
    Nginx,
}

impl Fault {
    /// By the number of its kind; `node` is whom it strikes, `ended` whom if that ends a process.
    pub const fn of(kind: usize, node: usize, ended: usize, trouble: Trouble, spared: Option<usize>) -> Self {
        match kind {
            0 => Self::NodeKilled(ended),
            1 => Self::NodeFrozen(node),
            2 => Self::NodeRestarted(ended),
            3 => Self::AllRestarted(spared),
            4 => Self::RedisKilled,
            5 => Self::RedisFrozen,
            6 => Self::RedisEmptied,
            7 => Self::RedisDropsListeners,
            8 => Self::RedisLine(node, trouble),
            9 => Self::PostgresKilled,
            10 => Self::PostgresFrozen,
            11 => Self::PostgresLine(node, trouble),
            12 => Self::DoorLine(node, trouble),
            13 => Self::Gossip,
            _ => Self::NginxReloaded,
        }
    }

    /// Whether it can be beside another one, and be healed after it.
    pub const fn stands_beside(self, other: Self) -> bool {
        // Who restarts all nodes waits for each until nginx sends people there again.
        match (self, other) {
            (Self::AllRestarted(_), other) | (other, Self::AllRestarted(_)) => matches!(
                other,
                Self::RedisKilled
                    | Self::RedisEmptied
                    | Self::RedisDropsListeners
                    | Self::Gossip
                    | Self::NginxReloaded
            ),
            _ => {
                let ((one, node), (two, other)) = (self.place(), other.place());
                one != two || node != other
            }
        }
    }

    /// What of the chat it takes for itself.
    const fn place(self) -> (u8, usize) {
        match self {
            Self::NodeKilled(node) | Self::NodeFrozen(node) | Self::NodeRestarted(node) => (0, node),
            Self::AllRestarted(_) => (1, 0),
            Self::RedisKilled | Self::RedisFrozen | Self::RedisEmptied | Self::RedisDropsListeners => (2, 0),
            Self::RedisLine(node, _) => (3, node),
            Self::PostgresKilled | Self::PostgresFrozen => (4, 0),
            Self::PostgresLine(node, _) => (5, node),
            Self::DoorLine(node, _) => (6, node),
            Self::Gossip => (7, 0),
            Self::NginxReloaded => (8, 0),
        }
    }

    /// Its name without the node and how.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::NodeKilled(_) => "node killed",
            Self::NodeFrozen(_) => "node frozen",
            Self::NodeRestarted(_) => "node restarted",
            Self::AllRestarted(_) => "rolling restart",
            Self::RedisKilled => "Redis killed",
            Self::RedisFrozen => "Redis frozen",
            Self::RedisEmptied => "Redis emptied",
            Self::RedisDropsListeners => "Redis drops its listeners",
            Self::RedisLine(..) => "line to Redis",
            Self::PostgresKilled => "PostgreSQL killed",
            Self::PostgresFrozen => "PostgreSQL frozen",
            Self::PostgresLine(..) => "line to PostgreSQL",
            Self::DoorLine(..) => "people's line to a node",
            Self::Gossip => "notices told badly",
            Self::NginxReloaded => "nginx reloaded",
        }
    }

    pub const fn part(self) -> Part {
        match self {
            Self::NodeKilled(_) | Self::NodeFrozen(_) | Self::NodeRestarted(_) | Self::AllRestarted(_) => {
                Part::Nodes
            }
            Self::RedisKilled | Self::RedisFrozen | Self::RedisEmptied | Self::RedisDropsListeners => {
                Part::Redis
            }
            Self::PostgresKilled | Self::PostgresFrozen => Part::Postgres,
            Self::RedisLine(..) | Self::PostgresLine(..) | Self::DoorLine(..) | Self::Gossip => Part::Lines,
            Self::NginxReloaded => Part::Nginx,
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cut => write!(f, "cut"),
            Self::Late(delay) => write!(f, "{} ms late each way", delay.as_millis()),
            Self::Held => write!(f, "held"),
            Self::Deaf => write!(f, "loses what goes there"),
            Self::Dumb => write!(f, "loses what comes back"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind();
        match self {
            Self::NodeKilled(node) | Self::NodeFrozen(node) | Self::NodeRestarted(node) => {
                write!(f, "{kind} (node{})", node + 1)
            }
            Self::RedisLine(node, trouble)
            | Self::PostgresLine(node, trouble)
            | Self::DoorLine(node, trouble) => write!(f, "{kind} (node{}): {trouble}", node + 1),
            Self::AllRestarted(Some(node)) => write!(f, "{kind} (all but node{})", node + 1),
            _ => write!(f, "{kind}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_fault_undoes_another_one() {
        let frozen = Fault::NodeFrozen(1);
        assert!(!frozen.stands_beside(Fault::NodeKilled(1)) && frozen.stands_beside(Fault::NodeKilled(2)));
        assert!(!Fault::RedisKilled.stands_beside(Fault::RedisEmptied));
        assert!(!Fault::AllRestarted(None).stands_beside(frozen));
        assert!(Fault::Gossip.stands_beside(Fault::AllRestarted(None)));
    }
}
