//! Markdown tables of what was measured.

use std::fmt::{Display, Write};

mod nodes;
mod relay;

use crate::{
    figures::{AT_THE_DOOR, Cost, Fanout, Figures, Growth, Idle, Part, Storm, middle, totals},
    peers::Peer,
    stats::{digits, median, ratio},
};

/// A table with its head and nothing else yet.
struct Table(String);

impl Table {
    fn new(head: &[&str]) -> Self {
        let mut table = Self(String::new());
        table.row(head);
        table.row(&vec!["---"; head.len()]);
        table
    }

    fn row<T: Display>(&mut self, cells: &[T]) {
        for cell in cells {
            // Writing into a String does not fail.
            let _ = write!(self.0, "| {cell} ");
        }
        self.0.push_str("|\n");
    }
}

/// When, where and how.
fn measured<T>(part: &Part<T>) -> String {
    format!("{}, {}, `{}`:\n\n", part.date, part.machine, part.command)
}

/// As tables call what is kept under this key.
pub fn name(key: &str) -> String {
    match Peer::by_key(key) {
        Ok(peer) => peer.name().to_owned(),
        Err(_) if key == AT_THE_DOOR => "Chorus, signed in, in no room".to_owned(),
        Err(_) => key.to_owned(),
    }
}

fn times(ratio: f64) -> String {
    format!("{} ×", digits(ratio))
}

fn of_cost(costs: &[Cost]) -> String {
    middle(costs).map_or_else(|| "–".to_owned(), |it| it.to_string())
}

/// All tables in their order, each with the name of its place in the document.
pub fn all(figures: &Figures) -> Vec<(&'static str, String)> {
    let mut all = Vec::new();
    if let Some(part) = &figures.fanout {
        all.push(("peers", measured(part) + &fanout(&part.figures)));
    }
    if let Some(part) = &figures.idle {
        all.push(("idle", measured(part) + &idle(&part.figures)));
    }
    if let Some(part) = &figures.storm {
        all.push(("storm", measured(part) + &storm(&part.figures)));
    }
    if let Some(part) = &figures.grow {
        all.push(("grow", measured(part) + &grow(&part.figures)));
    }
    if let Some(part) = &figures.cluster {
        all.push(("nodes", measured(part) + &nodes::nodes(&part.figures)));
    }
    if let Some(part) = &figures.backlog {
        all.push(("backlog", measured(part) + &relay::backlog(&part.figures)));
    }
    if let Some(part) = &figures.beside {
        all.push(("beside", measured(part) + &relay::beside(&part.figures)));
    }
    all
}

/// Which members were compared, in the order of the figures.
pub fn sizes(figures: &[Fanout]) -> Vec<usize> {
    let mut sizes: Vec<usize> = figures.iter().map(|it| it.members).collect();
    sizes.dedup();
    sizes
}

fn fanout(figures: &[Fanout]) -> String {
    let mut text = String::new();
    for members in sizes(figures) {
        let same: Vec<&Fanout> = figures.iter().filter(|it| it.members == members).collect();
        let find = |peer: Peer| same.iter().find(|it| it.peer == peer.key()).copied();
        let (ours, floor) = (find(Peer::Chorus), find(Peer::Floor));
        for (flight, of) in [
            ("one message", (|it| &it.one) as fn(&Fanout) -> &Vec<Cost>),
            ("eight messages", |it| &it.eight),
        ] {
            let _ = write!(text, "CPU per delivery, {members} members, {flight} in flight:\n\n");
            let mut table = Table::new(&["chat", "all (user + system)", "× ours", "× a bare loop"]);
            for one in &same {
                let against = |other: Option<&Fanout>| {
                    let all = other.map(|other| ratio(&totals(of(one)), &totals(of(other))));
                    all.map_or_else(|| "–".to_owned(), times)
                };
                table.row(&[name(&one.peer), of_cost(of(one)), against(ours), against(floor)]);
            }
            text += &table.0;
            text.push('\n');
        }
        if same.iter().any(|it| !it.p50.is_empty()) {
            text += &half_load(&same, ours, floor);
        }
    }
    text
}

fn half_load(same: &[&Fanout], ours: Option<&Fanout>, floor: Option<&Fanout>) -> String {
    let mut table = Table::new(&[
        "chat",
        "messages/s at half load",
        "p50",
        "× ours",
        "× a bare loop",
        "p99",
        "× ours",
        "× a bare loop",
    ]);
    for one in same {
        let mut cells = vec![name(&one.peer), digits(median(&one.rate))];
        for of in [(|it| &it.p50) as fn(&Fanout) -> &Vec<f64>, |it| &it.p99] {
            cells.push(format!("{} ms", digits(median(of(one)))));
            for other in [ours, floor] {
                let against = other.map(|other| times(ratio(of(one), of(other))));
                cells.push(against.unwrap_or_else(|| "–".to_owned()));
            }
        }
        table.row(&cells);
    }
    let members = same.first().map_or(0, |it| it.members);
    format!(
        "Time until the last of {members} members has a message, at half load:\n\n{}\n",
        table.0
    )
}

fn idle(figures: &[Idle]) -> String {
    let sockets = figures.first().map_or(0, |it| it.sockets);
    let ours = figures.iter().find(|it| it.peer == Peer::Chorus.key());
    let floor = figures.iter().find(|it| it.peer == Peer::Floor.key());
    let mut table = Table::new(&[
        "chat",
        "memory a socket",
        "× ours",
        "× a bare loop",
        "CPU a connect (user + system)",
        "× ours",
        "× a bare loop",
    ]);
    for one in figures {
        let against = |other: Option<&Idle>, of: fn(&Idle) -> Vec<f64>| {
            other.map_or_else(|| "–".to_owned(), |other| times(ratio(&of(one), &of(other))))
        };
        table.row(&[
            name(&one.peer),
            format!("{} KiB", digits(median(&one.bytes) / 1024.0)),
            against(ours, |it| it.bytes.clone()),
            against(floor, |it| it.bytes.clone()),
            of_cost(&one.connect),
            against(ours, |it| totals(&it.connect)),
            against(floor, |it| totals(&it.connect)),
        ]);
    }
    format!("{sockets} sockets:\n\n{}\n", table.0)
}

fn storm(figures: &[Storm]) -> String {
    let sockets = figures.first().map_or(0, |it| it.sockets);
    let ours = figures.iter().find(|it| it.peer == Peer::Chorus.key());
    let mut table = Table::new(&[
        "chat",
        "all in after",
        "× ours",
        "p99 before",
        "p99 meanwhile",
        "meanwhile / before",
        "generator late, p99",
    ]);
    for one in figures {
        table.row(&[
            name(&one.peer),
            format!("{} s", digits(median(&one.took))),
            ours.map_or_else(|| "–".to_owned(), |ours| times(ratio(&one.took, &ours.took))),
            format!("{} ms", digits(median(&one.before))),
            format!("{} ms", digits(median(&one.during))),
            times(ratio(&one.during, &one.before)),
            format!("{} ms", digits(median(&one.late))),
        ]);
    }
    format!("{sockets} who come:\n\n{}\n", table.0)
}

fn grow(figures: &[Growth]) -> String {
    let mut table = Table::new(&[
        "members",
        "rooms",
        "a delivery, one in flight",
        "a delivery, eight",
        "bytes a delivery",
        "a join",
        "bytes a join",
        "memory a member",
    ]);
    for one in figures {
        table.row(&[
            grouped(one.members),
            grouped(one.rooms),
            of_cost(&one.one),
            of_cost(&one.eight),
            digits(median(&one.bytes)),
            of_cost(&one.join),
            digits(median(&one.join_bytes)),
            format!("{} KiB", digits(median(&one.resident) / 1024.0)),
        ]);
    }
    let mut text = table.0;
    if let Some(one) = figures.iter().find(|it| !it.idle.is_empty()) {
        let (cpu, bytes) = (digits(median(&one.idle)), digits(median(&one.idle_bytes)));
        let _ = write!(
            text,
            "\nSomebody who is there and hears nothing costs {cpu} µs and {bytes} bytes a second ({} members).\n",
            grouped(one.members)
        );
    }
    text.push('\n');
    text
}

/// A whole number as it is said.
fn grouped(count: usize) -> String {
    if count < 1000 {
        count.to_string()
    } else {
        format!("{},{:03}", count / 1000, count % 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_what_was_measured_and_its_ratios() {
        let one = |peer: Peer, all: f64| {
            let mut it = Fanout::of(peer.key(), 1000);
            it.one = [1.0, 9.0, 2.0]
                .map(|drift| Cost { user: all * drift * 0.25, system: all * drift * 0.75 })
                .into();
            it
        };
        let figures = [
            one(Peer::Chorus, 2.0),
            one(Peer::Floor, 1.0),
            one(Peer::Nats, 6.0),
        ];
        let text = fanout(&figures);
        assert!(
            text.contains("| NATS over WebSocket | 12.0 (3.00 + 9.00) µs | 3.00 × | 6.00 × |"),
            "{text}"
        );
        assert!(text.contains("| Chorus | 4.00 (1.00 + 3.00) µs | 1.00 × | 2.00 × |"), "{text}");
        assert!(!text.contains("half load"), "{text}");
    }
}
