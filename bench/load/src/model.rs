//! The cost model: coefficients fitted from `bench/figures.json`, and what they say for a demand that
//! nobody here can measure. Pure arithmetic; every assumption is a field or a constant of this file.

use crate::{
    Outcome,
    figures::{Cluster, Cost, Effort, Figures, Growth, totals},
    fit::Line,
    stats::median,
};

/// Microseconds of one.
const SECOND: f64 = 1e6;

/// Writers of the log on each node; one transaction of each is under way at a time.
const WRITERS: f64 = 4.0;

/// Seconds for which a message counts against its sender (`MESSAGE_WINDOW_SECONDS`).
const WINDOW: f64 = 10.0;

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
    /// A second of somebody who has said something within the window of ten seconds.
    pub spoken: Effort,
    /// What a join costs behind the nodes.
    pub join: Effort,
    /// PostgreSQL for a message, by the writing transactions that it has for itself: what a row costs
    /// and what a transaction does. The more messages are in flight, the more share one.
    pub postgres: Line,
    /// Writing transactions a message with one, eight and very many in flight.
    pub writes: [f64; 3],
    /// Bytes of the write-ahead log a message, with one in flight.
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
    /// Seconds that a commit takes: messages that come to one writer meanwhile share the next one.
    pub commit: f64,
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
    /// Cores of all nodes, busy to the last: posting, bells, deliveries, coming in, being there,
    /// telling each other who has said how much.
    pub cores: [f64; 6],
    /// Resident bytes of a node.
    pub resident: f64,
    /// Bytes a second out of a node.
    pub network: f64,
    /// People who have said something within the window.
    pub speakers: f64,
    /// Cores that Redis needs, busy to the last.
    pub redis: f64,
    /// Redis servers, one core each.
    pub shards: f64,
    /// Commands to Redis a second.
    pub commands: f64,
    /// Cores that PostgreSQL needs, busy to the last.
    pub database: f64,
    /// Primaries of the given size.
    pub primaries: f64,
    /// Rows of the log a second.
    pub rows: f64,
    /// Writing transactions a second.
    pub writes: f64,
    /// Bytes of its log a second.
    pub wal: f64,
    /// Messages a second at which one Redis is full: of fewer people, who are as they are.
    pub redis_wall: f64,
    /// Messages a second at which one primary is full, if each has a transaction of its own.
    pub database_wall: f64,
    /// The same if all transactions are shared by very many.
    pub shared_wall: f64,
}

impl Coefficients {
    /// Fitted. Both parts, `grow` and `cluster`, must have been measured.
    pub fn of(figures: &Figures) -> Outcome<Self> {
        let grow = &figures.grow.as_ref().ok_or("`grow` was never measured")?.figures;
        let clusters = &figures.cluster.as_ref().ok_or("`cluster` was never measured")?.figures;
        let alone = by_members(grow, |it| &it.one)?;
        let alone_busy = by_members(grow, |it| &it.eight)?;
        let small = clusters.iter().map(|it| it.members).min().unwrap_or_default();
        let small: Vec<&Cluster> = clusters.iter().filter(|it| it.members == small).collect();
        let deliveries = alone.each * small.first().map_or(0.0, |it| it.members as f64);
        let by_nodes = |of: &dyn Fn(&Effort) -> f64| {
            let point = |it: &&Cluster| (it.nodes as f64, middle(&it.one, of));
            Line::through(&small.iter().map(point).collect::<Vec<_>>())
                .ok_or("too few clusters were measured")
        };
        let largest = small.iter().max_by_key(|it| it.nodes).ok_or("no cluster was measured")?;
        let each = |efforts: &[Effort], of: fn(&Effort) -> f64| middle(efforts, &of);
        let by_writes = [&largest.one, &largest.eight, &largest.many]
            .map(|it| (each(it, |it| it.writes), each(it, |it| it.postgres)));
        Ok(Self {
            alone,
            alone_busy,
            post: by_nodes(&|it| it.nodes - deliveries)?,
            deliver: alone.each,
            deliver_joined: alone_busy.each,
            bytes: last(grow, |it| &it.bytes)?,
            joins: in_one_room(grow).map(|it| (it.hearers(), median(&totals(&it.join)))).collect(),
            idle: last(grow, |it| &it.idle)?,
            idle_bytes: last(grow, |it| &it.idle_bytes)?,
            resident: last(grow, |it| &it.resident)?,
            redis: by_nodes(&|it| it.redis)?,
            redis_commands: each(&largest.one, |it| it.commands),
            redis_out: by_nodes(&|it| it.redis_out)?,
            spoken: in_large(clusters, |it| &it.spoken),
            join: in_large(clusters, |it| &it.join),
            postgres: Line::through(&by_writes).ok_or("too few loads of a cluster were measured")?,
            writes: by_writes.map(|it| it.0),
            wal: each(&largest.one, |it| it.wal),
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

    /// What the demand takes.
    pub fn answer(&self, demand: &Demand) -> Answer {
        let Demand { connections, messages, room, stay, busy, .. } = *demand;
        let (joins, deliveries) = (connections / stay, messages * room);
        let (nodes, reached, cores) = self.nodes(demand);
        let redis = self.redis_cores(demand, reached);
        let writes = messages.min(nodes * WRITERS / demand.commit);
        let log = messages * self.postgres.fixed + writes * self.postgres.each;
        let database = (log + joins * self.join.postgres) / SECOND;
        let primary = SECOND * busy * demand.database_cores;
        Answer {
            nodes,
            reached,
            deliveries,
            cores,
            resident: connections / nodes * self.resident,
            network: (deliveries * self.bytes + connections * self.idle_bytes) / nodes,
            redis,
            shards: (redis / busy).ceil(),
            speakers: demand.speakers(),
            commands: messages * self.redis_commands
                + joins * self.join.commands
                + demand.speakers() * self.spoken.commands
                + nodes * self.quiet[0],
            database,
            primaries: (database / (demand.database_cores * busy)).ceil(),
            rows: messages,
            writes: writes + joins * self.join.writes,
            wal: messages * self.wal + joins * self.join.wal,
            redis_wall: self.redis_wall(demand),
            database_wall: primary / self.postgres.at(1.0),
            shared_wall: primary / self.postgres.at(self.writes[2]),
        }
    }

    /// Nodes, how many of them a message reaches, and the cores that work in all of them. The first
    /// two depend on each other; they are found by turns, from one node upwards.
    fn nodes(&self, demand: &Demand) -> (f64, f64, [f64; 6]) {
        let Demand { connections, messages, room, stay, .. } = *demand;
        let (mut nodes, mut reached, mut cores) = (1.0f64, 1.0, [0.0; 6]);
        for _ in 0..100 {
            // Members of a room are spread by chance.
            reached = nodes * (1.0 - (1.0 - 1.0 / nodes).powf(room));
            cores = [
                messages * self.post.at(1.0),
                messages * (reached - 1.0).max(0.0) * self.post.each,
                messages * room * self.deliver,
                connections / stay * self.joining(room),
                connections * self.idle,
                demand.speakers() * self.spoken.nodes,
            ]
            .map(|it| it / SECOND);
            let wanted = (cores.iter().sum::<f64>() / (demand.cores * demand.busy)).ceil().max(1.0);
            if (wanted - nodes).abs() < 1.0 {
                break;
            }
            nodes = wanted;
        }
        (nodes, reached, cores)
    }

    /// Cores that Redis needs, busy to the last.
    fn redis_cores(&self, demand: &Demand, reached: f64) -> f64 {
        let carried = demand.messages * self.redis.at(reached);
        let joins = demand.connections / demand.stay * self.join.redis;
        (carried + joins + demand.speakers() * self.spoken.redis) / SECOND
    }

    /// Messages a second of the share of the demand that fills one Redis: fewer people on fewer nodes
    /// say less, and each message reaches fewer nodes. At most all of it.
    fn redis_wall(&self, demand: &Demand) -> f64 {
        let (mut fits, mut too_much) = (0.0, 1.0);
        for _ in 0..40 {
            let share = f64::midpoint(fits, too_much);
            let part = demand.times(share);
            let (_, reached, _) = self.nodes(&part);
            if self.redis_cores(&part, reached) <= demand.busy {
                fits = share;
            } else {
                too_much = share;
            }
        }
        demand.messages * fits
    }
}

impl Demand {
    /// People who have said something within the window: everybody speaks as often as everybody
    /// else, at times of their own.
    fn speakers(&self) -> f64 {
        self.connections * (1.0 - (-self.messages * WINDOW / self.connections).exp())
    }

    /// So many times as many people, who are as they are.
    fn times(&self, share: f64) -> Self {
        Self {
            connections: self.connections * share,
            messages: self.messages * share,
            ..*self
        }
    }
}

fn in_one_room(grow: &[Growth]) -> impl Iterator<Item = &Growth> {
    grow.iter().filter(|it| it.rooms == 1)
}

/// What a message costs by the members of its room.
fn by_members(grow: &[Growth], costs: fn(&Growth) -> &Vec<Cost>) -> Outcome<Line> {
    let each = |it: &Growth| (it.hearers(), median(&totals(costs(it))) * it.hearers());
    let points: Vec<(f64, f64)> = in_one_room(grow).map(each).collect();
    Line::through(&points).ok_or_else(|| "too few sizes of a room were measured".into())
}

/// As it was with the most members that it was measured with.
fn last(grow: &[Growth], values: fn(&Growth) -> &Vec<f64>) -> Outcome<f64> {
    let measured = grow.iter().filter(|it| !values(it).is_empty());
    let most = measured.max_by_key(|it| it.members).ok_or("`grow` was cut short")?;
    Ok(median(values(most)))
}

/// The middle of all rounds of one field.
fn middle(efforts: &[Effort], of: &dyn Fn(&Effort) -> f64) -> f64 {
    median(&efforts.iter().map(of).collect::<Vec<_>>())
}

/// As it was in the largest room of the largest cluster.
fn in_large(clusters: &[Cluster], of: fn(&Cluster) -> &Vec<Effort>) -> Effort {
    let largest = clusters.iter().max_by_key(|it| (it.members, it.nodes));
    let efforts = largest.map(|it| of(it).as_slice()).unwrap_or_default();
    Effort {
        nodes: middle(efforts, &|it| it.nodes),
        redis: middle(efforts, &|it| it.redis),
        postgres: middle(efforts, &|it| it.postgres),
        commands: middle(efforts, &|it| it.commands),
        redis_in: middle(efforts, &|it| it.redis_in),
        redis_out: middle(efforts, &|it| it.redis_out),
        writes: middle(efforts, &|it| it.writes),
        wal: middle(efforts, &|it| it.wal),
    }
}

#[cfg(test)]
#[path = "model_tests.rs"]
mod tests;
