//! The tables of the relay.

use super::{Table, grouped, times};
use crate::{
    figures::{Backlog, Beside},
    stats::{count, digits, median, ratio},
};

/// How fast a backlog goes to a broker.
pub(super) fn backlog(figures: &[Backlog]) -> String {
    let mut table = Table::new(&[
        "events",
        "rooms",
        "events a second",
        "CPU of the node, µs an event",
        "of PostgreSQL",
        "of RabbitMQ",
    ]);
    for one in figures {
        let events = usize::try_from(one.events).unwrap_or(usize::MAX);
        let mut cells = vec![grouped(events), grouped(one.rooms)];
        cells.extend([&one.rate, &one.node, &one.postgres, &one.broker].map(|it| digits(median(it))));
        table.row(&cells);
    }
    table.0 + "\n"
}

/// One row of the other table: its unit, and whether there is something to hold it against.
type Row = (&'static str, &'static str, bool, fn(&Beside) -> &Vec<f64>);

const ROWS: [Row; 7] = [
    ("said → acknowledged, p50", "ms", true, |it| &it.acked.p50),
    ("said → acknowledged, p99", "ms", true, |it| &it.acked.p99),
    ("said → heard by all, p50", "ms", true, |it| &it.heard.p50),
    ("said → heard by all, p99", "ms", true, |it| &it.heard.p99),
    ("CPU of the node a message", "µs", true, |it| &it.node),
    ("CPU of PostgreSQL a message", "µs", true, |it| &it.postgres),
    ("CPU of RabbitMQ a message", "µs", false, |it| &it.rabbitmq),
];

/// How much of the core the node and PostgreSQL have used.
fn busy(figures: &Beside) -> String {
    let all = figures.node.iter().zip(&figures.postgres).zip(&figures.rate);
    let shares: Vec<f64> = all.map(|((node, postgres), rate)| (node + postgres) * rate / 1e4).collect();
    format!("{} %", count(median(&shares)))
}

/// What chatting is like beside a broker. All is held against the first of the figures.
pub(super) fn beside(figures: &[Beside]) -> String {
    let Some((first, others)) = figures.split_first() else {
        return String::new();
    };
    let mut head = vec!["", &first.broker];
    for other in others {
        head.extend([&other.broker, "×"]);
    }
    let mut table = Table::new(&head);
    for (what, unit, is_compared, of) in ROWS {
        let shown = |it: &Beside| format!("{} {unit}", digits(median(of(it))));
        let mut cells = vec![what.to_owned(), shown(first)];
        for other in others {
            let against = if is_compared { times(ratio(of(other), of(first))) } else { "–".to_owned() };
            cells.extend([shown(other), against]);
        }
        table.row(&cells);
    }
    let mut cells = vec!["node and PostgreSQL together, of a core".to_owned(), busy(first)];
    cells.extend(others.iter().flat_map(|other| [busy(other), "–".to_owned()]));
    table.row(&cells);
    let rate = digits(median(&first.rate));
    format!("{rate} messages a second:\n\n{}\n", table.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_is_held_against_none_in_the_same_round() {
        let one = |broker: &str, factor: f64, rabbitmq: f64| {
            let mut it = Beside::of(broker);
            it.rate.extend([500.0; 3]);
            // Everything was slow in the second round.
            for round in [1.0, 7.0, 2.0] {
                it.acked.add(&[round * factor]);
                it.node.push(round * factor * 100.0);
                it.postgres.push(500.0);
                it.rabbitmq.push(rabbitmq);
            }
            it
        };
        let text = beside(&[one("no broker", 1.0, 0.0), one("takes it", 1.5, 40.0)]);
        assert!(
            text.starts_with("500 messages a second:\n\n|  | no broker | takes it | × |\n"),
            "{text}"
        );
        assert!(
            text.contains("| said → acknowledged, p50 | 2.00 ms | 3.00 ms | 1.50 × |"),
            "{text}"
        );
        assert!(
            text.contains("| CPU of the node a message | 200 µs | 300 µs | 1.50 × |"),
            "{text}"
        );
        assert!(text.contains("| CPU of RabbitMQ a message | 0.00 µs | 40.0 µs | – |"), "{text}");
        assert!(text.contains("together, of a core | 35 % | 40 % | – |"), "{text}");
    }

    #[test]
    fn a_backlog_is_a_row() {
        let mut one = Backlog::of(1000, 20_480);
        for (list, value) in [(&mut one.rate, 8123.0), (&mut one.node, 45.0)] {
            list.push(value);
        }
        let text = backlog(&[one]);
        assert!(text.ends_with("| 20,480 | 1,000 | 8,120 | 45.0 | – | – |\n\n"), "{text}");
    }
}
