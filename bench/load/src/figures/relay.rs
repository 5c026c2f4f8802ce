//! What was measured of the relay.

use serde::{Deserialize, Serialize};

use crate::stats::percentile;

/// So many events that waited in so many rooms, told to a broker at one go; an entry a round.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Backlog {
    /// Rooms.
    pub rooms: usize,
    /// Events.
    pub events: u64,
    /// Events a second.
    pub rate: Vec<f64>,
    /// Microseconds of CPU for each: of the node.
    pub node: Vec<f64>,
    /// Of PostgreSQL.
    pub postgres: Vec<f64>,
    /// Of the broker.
    pub broker: Vec<f64>,
}

impl Backlog {
    /// Nothing measured yet.
    pub const fn of(rooms: usize, events: u64) -> Self {
        Self {
            rooms,
            events,
            rate: Vec::new(),
            node: Vec::new(),
            postgres: Vec::new(),
            broker: Vec::new(),
        }
    }
}

/// Milliseconds; an entry a round.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Spread {
    /// Of the message in the middle.
    pub p50: Vec<f64>,
    /// Of the slowest hundredth.
    pub p99: Vec<f64>,
}

impl Spread {
    /// Adds a round.
    pub fn add(&mut self, times: &[f64]) {
        self.p50.push(percentile(times, 50));
        self.p99.push(percentile(times, 99));
    }
}

/// A chat at a steady pace beside one state of the broker; an entry a round.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Beside {
    /// What the broker does.
    pub broker: String,
    /// Messages a second.
    pub rate: Vec<f64>,
    /// Until the sender knew that it is kept.
    pub acked: Spread,
    /// Until the last member had it.
    pub heard: Spread,
    /// Microseconds of CPU for each message: of the node.
    pub node: Vec<f64>,
    /// Of PostgreSQL.
    pub postgres: Vec<f64>,
    /// Of the broker.
    pub rabbitmq: Vec<f64>,
}

impl Beside {
    /// Nothing measured yet.
    pub fn of(broker: &str) -> Self {
        Self {
            broker: broker.to_owned(),
            rate: Vec::new(),
            acked: Spread::default(),
            heard: Spread::default(),
            node: Vec::new(),
            postgres: Vec::new(),
            rabbitmq: Vec::new(),
        }
    }
}
