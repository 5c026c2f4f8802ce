//! Which plots are drawn of what was measured.

use crate::{
    figures::{Cost, Fanout, Figures, Idle, middle, totals},
    peers::Peer,
    plot::{Bar, Group, Series, bars, lines},
    stats::median,
    tables::{name, sizes},
};

/// All plots, each with the name of its file.
pub fn all(figures: &Figures) -> Vec<(&'static str, String)> {
    let mut all = Vec::new();
    if let Some(part) = &figures.fanout {
        all.push(("bench-delivery.svg", deliveries(&part.figures)));
        all.push(("bench-times.svg", times(&part.figures)));
    }
    if let Some(part) = &figures.idle {
        all.push(("bench-idle.svg", idle(&part.figures)));
    }
    if let Some(part) = &figures.grow {
        let line = |title: &str, of: fn(&crate::figures::Growth) -> &Vec<Cost>| Series {
            name: title.to_owned(),
            points: part
                .figures
                .iter()
                .filter(|it| it.rooms == 1)
                .map(|it| (it.hearers(), median(&totals(of(it)))))
                .collect(),
        };
        let series = [
            line("one in flight", |it| &it.one),
            line("eight in flight", |it| &it.eight),
        ];
        let title = "Chorus: CPU per delivery, µs, by the members of a room";
        all.push(("bench-growth.svg", lines(title, "members", &series)));
    }
    all
}

fn bar(key: &str, parts: [f64; 2]) -> Bar {
    Bar {
        name: name(key),
        parts,
        ours: key.starts_with(Peer::Chorus.key()),
    }
}

/// The least first.
fn sorted(mut bars: Vec<Bar>) -> Vec<Bar> {
    bars.sort_by(|a, b| a.parts.iter().sum::<f64>().total_cmp(&b.parts.iter().sum()));
    bars
}

fn of_costs<'a>(rows: impl Iterator<Item = (&'a str, &'a Vec<Cost>)>) -> Vec<Bar> {
    let parts = |costs: &Vec<Cost>| middle(costs).map_or([0.0; 2], |it| [it.system, it.user]);
    sorted(rows.map(|(key, costs)| bar(key, parts(costs))).collect())
}

fn deliveries(figures: &[Fanout]) -> String {
    let mut groups = Vec::new();
    for members in sizes(figures) {
        let same = || figures.iter().filter(move |it| it.members == members);
        for (flight, of) in [
            ("one message", (|it| &it.one) as fn(&Fanout) -> &Vec<Cost>),
            ("eight messages", |it| &it.eight),
        ] {
            groups.push(Group {
                title: format!("{members} members, {flight} in flight"),
                bars: of_costs(same().map(|it| (it.peer.as_str(), of(it)))),
            });
        }
    }
    bars("CPU per delivery, less is better", "µs", Some(["kernel", "user"]), &groups)
}

fn times(figures: &[Fanout]) -> String {
    let timed = || figures.iter().filter(|it| !it.p50.is_empty());
    let members = timed().next().map_or(0, |it| it.members);
    let group = |title: &str, of: fn(&Fanout) -> &Vec<f64>| Group {
        title: title.to_owned(),
        bars: sorted(timed().map(|it| bar(&it.peer, [median(of(it)), 0.0])).collect()),
    };
    let title = format!("Until the last of {members} members has it, at half load of each, less is better");
    bars(&title, "ms", None, &[group("p50", |it| &it.p50), group("p99", |it| &it.p99)])
}

fn idle(figures: &[Idle]) -> String {
    let memory = figures.iter().map(|it| bar(&it.peer, [median(&it.bytes) / 1024.0, 0.0]));
    let memory = Group { title: String::new(), bars: sorted(memory.collect()) };
    bars("Memory of an idle socket, less is better", "KiB", None, &[memory])
}
