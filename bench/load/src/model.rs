//! The cost model: coefficients fitted from `bench/figures.json`, and what they say for a demand that
//! nobody here can measure. Pure arithmetic; every assumption is a field or a constant of this file.

use crate::{
    Outcome,
    figures::{Cluster, Cost, Effort, Figures, Growth, totals},
    fit::Line,
    stats::median,
};

/// What things cost, in microseconds of one core of the machine that measured, and in bytes.
#[derive(Debug, Clone)]
pub struct Coefficients {
    /// A message, by the members who hear it, on one node with its embedded database.
    pub alone: Line,
    /// The same with eight in flight.
    pub alone_busy: Line,
    /// A message in a cluster without its deliveries, by the nodes that have members in its room: the
    /// first one's part is what posting costs, each further one rings a bell there.
    pub post: Line,
    /// One delivery with one frame a write.
    pub deliver: f64,
    /// One delivery with several in a write.
    pub deliver_joined: f64,
    /// Bytes of a delivery on the wire.
    pub bytes: f64,
    /// Somebody who comes in, by the size of the room.
    pub joins: Vec<(f64, f64)>,
    /// Somebody who is there, a second.
    pub idle: f64,
    /// Bytes for them.
    pub idle_bytes: f64,
    /// Resident bytes of a connection.
    pub resident: f64,
    /// Redis for a message, by the nodes that hear it.
    pub redis: Line,
    /// Commands to Redis for a message.
    pub redis_commands: f64,
    /// Bytes out of Redis for a message, by the nodes.
    pub redis_out: Line,
    /// What a join costs behind the nodes.
    pub join: Effort,
    /// PostgreSQL for a message with eight in flight.
    pub postgres: f64,
    /// The same with one.
    pub postgres_calm: f64,
    /// Writing transactions a message, with one and with eight in flight.
    pub writes: [f64; 2],
    /// Bytes of the write-ahead log a message, with eight in flight.
    pub wal: f64,
    /// What a node asks for in a second in which nobody says anything: commands, transactions.
    pub quiet: [f64; 2],
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Demand {
    /// Sockets.
    pub connections: f64,
    /// Messages said a second.
    pub messages: f64,
    /// Members of a room; everybody is in one.
    pub room: f64,
    /// How long a socket lasts, in seconds.
    pub stay: f64,
    /// Cores of a node.
    pub cores: f64,
    /// Cores of PostgreSQL's primary.
    pub database_cores: f64,
    /// How much of a core is used before another one is wanted.
    pub busy: f64,
}

/// What it takes.
#[derive(Debug, Clone, Copy)]
pub struct Answer {
    /// Nodes.
    pub nodes: f64,
    /// Nodes that a message reaches.
    pub reached: f64,
    /// Deliveries a second.
    pub deliveries: f64,
    /// Cores of all nodes, busy to the last: posting, bells, deliveries, coming in, being there.
    pub cores: [f64; 5],
    /// Resident bytes of a node.
    pub resident: f64,
    /// Bytes a second out of a node.
    pub network: f64,
    /// Redis servers, one core each.
    pub shards: f64,
    /// Commands to Redis a second.
    pub commands: f64,
    /// Cores that PostgreSQL needs, busy to the last.
    pub database: f64,
    /// Primaries of the given size.
    pub primaries: f64,
    /// Writing transactions a second if each message had one of its own.
    pub writes: f64,
    /// Bytes of its log a second.
    pub wal: f64,
    /// Messages a second at which one Redis is full.
    pub redis_wall: f64,
    /// Messages a second at which one primary is full.
    pub database_wall: f64,
}

impl Coefficients {
    /// Fitted. Both parts, `grow` and `cluster`, must have been measured.
    pub fn of(figures: &Figures) -> Outcome<Self> {
        let grow = &figures.grow.as_ref().ok_or("`grow` was never measured")?.figures;
        let clusters = &figures.cluster.as_ref().ok_or("`cluster` was never measured")?.figures;
        let one_room = || grow.iter().filter(|it| it.rooms == 1);
        let by_members = |costs: fn(&Growth) -> &Vec<Cost>| {
            let points: Vec<(f64, f64)> =
                one_room().map(|it| (it.hearers(), median(&totals(costs(it))) * it.hearers())).collect();
            Line::through(&points).ok_or("too few sizes of a room were measured")
        };
        let (alone, alone_busy) = (by_members(|it| &it.one)?, by_members(|it| &it.eight)?);
        let last = |values: fn(&Growth) -> &Vec<f64>| {
            let measured = grow.iter().filter(|it| !values(it).is_empty());
            measured
                .max_by_key(|it| it.members)
                .map(|it| median(values(it)))
                .ok_or("`grow` was cut short")
        };
        let small = clusters.iter().map(|it| it.members).min().unwrap_or_default();
        let small: Vec<&Cluster> = clusters.iter().filter(|it| it.members == small).collect();
        let deliveries = alone_busy.each * small.first().map_or(0.0, |it| it.members as f64);
        let by_nodes = |of: &dyn Fn(&Effort) -> f64| {
            let point = |it: &&Cluster| (it.nodes as f64, middle(&it.eight, of));
            Line::through(&small.iter().map(point).collect::<Vec<_>>())
                .ok_or("too few clusters were measured")
        };
        let largest = small.iter().max_by_key(|it| it.nodes).ok_or("no cluster was measured")?;
        let each = |efforts: &[Effort], of: fn(&Effort) -> f64| middle(efforts, &of);
        Ok(Self {
            alone,
            alone_busy,
            post: by_nodes(&|it| it.nodes - deliveries)?,
            deliver: alone.each,
            deliver_joined: alone_busy.each,
            bytes: last(|it| &it.bytes)?,
            joins: one_room().map(|it| (it.hearers(), median(&totals(&it.join)))).collect(),
            idle: last(|it| &it.idle)?,
            idle_bytes: last(|it| &it.idle_bytes)?,
            resident: last(|it| &it.resident)?,
            redis: by_nodes(&|it| it.redis)?,
            redis_commands: each(&largest.eight, |it| it.commands),
            redis_out: by_nodes(&|it| it.redis_out)?,
            join: joined(clusters),
            postgres: each(&largest.eight, |it| it.postgres),
            postgres_calm: each(&largest.one, |it| it.postgres),
            writes: [
                each(&largest.one, |it| it.writes),
                each(&largest.eight, |it| it.writes),
            ],
            wal: each(&largest.eight, |it| it.wal),
            quiet: [
                each(&largest.idle, |it| it.commands) / largest.nodes as f64,
                median(&largest.transactions) / largest.nodes as f64,
            ],
        })
    }

    /// A join into a room of so many: what was measured with the size nearest to it.
    fn joining(&self, room: f64) -> f64 {
        let distance = |it: &&(f64, f64)| (it.0 / room).ln().abs();
        let nearest = self.joins.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)));
        nearest.map_or(0.0, |it| it.1)
    }

    /// What the demand takes. The number of nodes and the nodes that a message reaches depend on
    /// each other; they are found by turns.
    pub fn answer(&self, demand: &Demand) -> Answer {
        const SECOND: f64 = 1e6;
        let Demand { connections, messages, room, stay, busy, .. } = *demand;
        let (joins, deliveries) = (connections / stay, messages * room);
        let (mut nodes, mut reached, mut cores) = (1.0f64, 1.0, [0.0; 5]);
        for _ in 0..100 {
            // Members of a room are spread by chance.
            reached = nodes * (1.0 - (1.0 - 1.0 / nodes).powf(room));
            cores = [
                messages * self.post.at(1.0),
                messages * (reached - 1.0).max(0.0) * self.post.each,
                deliveries * self.deliver,
                joins * self.joining(room),
                connections * self.idle,
            ]
            .map(|it| it / SECOND);
            let wanted = (cores.iter().sum::<f64>() / (demand.cores * busy)).ceil().max(1.0);
            if (wanted - nodes).abs() < 1.0 {
                break;
            }
            nodes = wanted;
        }
        let redis = messages * self.redis.at(reached) + joins * self.join.redis;
        let database = (messages * self.postgres + joins * self.join.postgres) / SECOND;
        Answer {
            nodes,
            reached,
            deliveries,
            cores,
            resident: connections / nodes * self.resident,
            network: (deliveries * self.bytes + connections * self.idle_bytes) / nodes,
            shards: (redis / (SECOND * busy)).ceil(),
            commands: messages * self.redis_commands + joins * self.join.commands + nodes * self.quiet[0],
            database,
            primaries: (database / (demand.database_cores * busy)).ceil(),
            writes: messages,
            wal: messages * self.wal + joins * self.join.wal,
            redis_wall: SECOND * busy / self.redis.at(reached),
            database_wall: SECOND * busy * demand.database_cores / self.postgres,
        }
    }
}

/// The middle of all rounds of one field.
fn middle(efforts: &[Effort], of: &dyn Fn(&Effort) -> f64) -> f64 {
    median(&efforts.iter().map(of).collect::<Vec<_>>())
}

/// A join into the largest room of the largest cluster.
fn joined(clusters: &[Cluster]) -> Effort {
    let largest = clusters.iter().max_by_key(|it| (it.members, it.nodes));
    let joins = largest.map(|it| it.join.as_slice()).unwrap_or_default();
    Effort {
        nodes: middle(joins, &|it| it.nodes),
        redis: middle(joins, &|it| it.redis),
        postgres: middle(joins, &|it| it.postgres),
        commands: middle(joins, &|it| it.commands),
        redis_in: middle(joins, &|it| it.redis_in),
        redis_out: middle(joins, &|it| it.redis_out),
        writes: middle(joins, &|it| it.writes),
        wal: middle(joins, &|it| it.wal),
    }
}

#[cfg(test)]
#[path = "model_tests.rs"]
mod tests;
