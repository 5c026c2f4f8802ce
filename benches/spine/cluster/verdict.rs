//! The table's rows: Chorus against each of the others.

use super::{
    contender::Contender,
    crowd::{Cost, Measured},
};
use crate::{
    Outcome,
    report::{Table, percentile},
};

/// The largest process of each.
pub(crate) fn memory(table: &mut Table, contenders: &[Contender], sockets: usize) -> Outcome {
    let [chorus, others @ ..] = contenders else { return Ok(()) };
    for other in others {
        table.ratio(
            &format!("memory of the largest process, {sockets} sockets on all"),
            (chorus.largest()?, "MiB"),
            (other.largest()?, other.name),
            "about 50 MB",
        );
    }
    Ok(())
}

/// Of each contender all rounds.
pub(crate) fn speed(table: &mut Table, contenders: &[Contender], size: usize, rounds: &[Vec<Measured>]) {
    let [chorus, others @ ..] = rounds else { return };
    for (other, contender) in others.iter().zip(&contenders[1..]) {
        let mut pairs = |what: &str, unit: &str, figure: &dyn Fn(&Measured) -> f64, target| {
            let (ours, theirs) = (figures(chorus, figure), figures(other, figure));
            let what = format!("{what}, {size} sockets");
            table.pairs(&what, (&ours, unit), (&theirs, contender.name), target);
        };
        let timed = chorus.iter().all(|round| !round.times.is_empty());
        if timed {
            for (percent, target) in [(50, "≤ 5 ms"), (99, "≤ 50 ms")] {
                let name = format!("said → heard by all, calm, p{percent}");
                pairs(&name, "ms", &|it| percentile(&it.times, percent), target);
            }
        }
        let target = match size {
            1000 => "≥ 1.8 ×",
            5000 => "≥ 3 ×",
            _ => "",
        };
        let mut costs = |load: &str, cost: &dyn Fn(&Measured) -> &Cost, target| {
            let name = format!("deliveries per CPU second, {load}");
            pairs(&name, "/s", &|it| cost(it).by_nodes(), target);
            let name = format!("the same with PostgreSQL and Redis, {load}");
            pairs(&name, "/s", &|it| cost(it).by_all(), "");
        };
        if timed {
            costs("calm", &|it| &it.calm, "");
        }
        costs("8 in flight", &|it| &it.heavy, target);
    }
}

fn figures(rounds: &[Measured], figure: &dyn Fn(&Measured) -> f64) -> Vec<f64> {
    rounds.iter().map(figure).collect()
}
