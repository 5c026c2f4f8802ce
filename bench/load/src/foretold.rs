//! The cost model in words and tables: what was fitted, and what it says for a demand.

use std::fmt::Write;

use crate::{
    model::{Answer, Coefficients, Demand},
    stats::{count, digits},
};

const GIB: f64 = 1024.0 * 1024.0 * 1024.0;
const MIB: f64 = 1024.0 * 1024.0;

/// The sizes of a room that are foretold side by side.
pub const ROOMS: [f64; 3] = [10.0, 100.0, 1000.0];

/// The coefficients, one line each.
pub fn coefficients(it: &Coefficients) -> String {
    let mut text = String::from("| what | costs |\n|---|---|\n");
    let mut row = |what: &str, costs: String| {
        // Writing into a String does not fail.
        let _ = writeln!(text, "| {what} | {costs} |");
    };
    let micros = |value: f64| format!("{} µs", digits(value));
    row(
        "a message on one node with its own database, one in flight",
        format!("{} + {} a member", micros(it.alone.fixed), micros(it.alone.each)),
    );
    row(
        "the same, eight in flight",
        format!("{} + {} a member", micros(it.alone_busy.fixed), micros(it.alone_busy.each)),
    );
    row(
        "a message on the node where it is said, in a cluster, without deliveries",
        micros(it.post.at(1.0)),
    );
    row(
        "the same message on each other node with members of its room",
        micros(it.post.each),
    );
    row("bytes of a delivery on the wire", digits(it.bytes));
    for (room, join) in &it.joins {
        row(&format!("a join into a room of {}", count(*room)), micros(*join));
    }
    row(
        "a connection that is idle, a second",
        format!("{} and {} bytes", micros(it.idle), digits(it.idle_bytes)),
    );
    row("memory of a connection", format!("{} KiB", digits(it.resident / 1024.0)));
    row(
        "Redis for a message",
        format!(
            "{} + {} and {} bytes a node; {} commands",
            micros(it.redis.fixed),
            micros(it.redis.each),
            digits(it.redis_out.each),
            digits(it.redis_commands)
        ),
    );
    row(
        "Redis and PostgreSQL for a join",
        format!(
            "{} and {} commands; {} and {} writing transactions",
            micros(it.join.redis),
            digits(it.join.commands),
            micros(it.join.postgres),
            digits(it.join.writes)
        ),
    );
    row(
        "Redis for somebody who has said something in the last 10 s, a second",
        format!("{} and {} commands", micros(it.spoken.redis), digits(it.spoken.commands)),
    );
    row(
        "PostgreSQL for a message",
        format!("{} + {} a transaction", micros(it.postgres.fixed), micros(it.postgres.each)),
    );
    row(
        "transactions a message, with one, eight and 256 in flight",
        it.writes.map(digits).join(", "),
    );
    row("its write-ahead log for a message", format!("{} bytes", digits(it.wal)));
    row(
        "a quiet node, a second",
        format!(
            "{} commands to Redis, {} transactions",
            digits(it.quiet[0]),
            digits(it.quiet[1])
        ),
    );
    text
}

/// What a demand takes, for the three sizes of a room, and where the first wall stands.
pub fn answers(coefficients: &Coefficients, demand: &Demand, rooms: &[f64]) -> String {
    let answers: Vec<(f64, Answer)> = rooms
        .iter()
        .map(|room| (*room, coefficients.answer(&Demand { room: *room, ..*demand })))
        .collect();
    let mut text = format!(
        "{} connections of {} s each, {} messages a second, nodes of {} cores and a database of {}, \
         each core busy to {} %:\n\n| members of a room |",
        digits(demand.connections),
        digits(demand.stay),
        digits(demand.messages),
        demand.cores,
        demand.database_cores,
        (demand.busy * 100.0).round()
    );
    for (room, _) in &answers {
        let _ = write!(text, " {} |", count(*room));
    }
    let _ = writeln!(text, "\n|{}", "---|".repeat(answers.len() + 1));
    for (what, of) in rows() {
        let _ = write!(text, "| {what} |");
        for (_, answer) in &answers {
            let _ = write!(text, " {} |", of(answer, demand));
        }
        text.push('\n');
    }
    text
}

type Row = (&'static str, fn(&Answer, &Demand) -> String);

fn rows() -> [Row; 24] {
    [
        ("deliveries a second", |it, _| digits(it.deliveries)),
        ("nodes", |it, _| count(it.nodes)),
        ("connections of a node", |it, demand| digits(demand.connections / it.nodes)),
        ("cores that take messages in", |it, _| digits(it.cores[0])),
        ("cores that hear of them from other nodes", |it, _| digits(it.cores[1])),
        ("cores that deliver", |it, _| digits(it.cores[2])),
        ("cores that let people in", |it, _| digits(it.cores[3])),
        ("cores for those who are just there", |it, _| digits(it.cores[4])),
        ("cores that tell who has said how much", |it, _| digits(it.cores[5])),
        ("people who have spoken within 10 s", |it, _| digits(it.speakers)),
        ("memory of a node's connections", |it, _| {
            format!("{} GiB", digits(it.resident / GIB))
        }),
        ("out of a node", |it, _| format!("{} Gbit/s", digits(it.network * 8.0 / 1e9))),
        ("nodes that a message reaches", |it, _| digits(it.reached)),
        ("Redis: cores that work", |it, _| digits(it.redis)),
        ("Redis shards", |it, _| count(it.shards)),
        ("commands to Redis a second", |it, _| digits(it.commands)),
        ("database: cores that work", |it, _| digits(it.database)),
        ("database: rows a second", |it, _| digits(it.rows)),
        ("database: writing transactions a second", |it, _| digits(it.writes)),
        ("database: write-ahead log", |it, _| format!("{} MiB/s", digits(it.wal / MIB))),
        ("primaries of that size", |it, _| count(it.primaries)),
        ("one Redis is full at", |it, _| format!("{} messages/s", digits(it.redis_wall))),
        ("one primary is full at", |it, _| {
            let [alone, shared] = [it.database_wall, it.shared_wall].map(digits);
            format!("{alone} messages/s; {shared} when very many share each transaction")
        }),
        ("the first wall", |it, _| {
            let (wall, name) = if it.redis_wall < it.database_wall {
                (it.redis_wall, "one Redis")
            } else {
                (it.database_wall, "one primary")
            };
            format!("{name}, at {} messages/s", digits(wall))
        }),
    ]
}
