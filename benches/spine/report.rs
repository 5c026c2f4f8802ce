//! Progress while it runs, and one table at the end.

use std::{sync::OnceLock, time::Instant};

/// One figure and what it is held against.
struct Row {
    what: String,
    measured: String,
    against: String,
    ratio: String,
    target: &'static str,
}

/// All figures of a run.
pub(crate) struct Table(Vec<Row>);

impl Table {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    /// A figure that is held against another one of the same run.
    pub(crate) fn ratio(
        &mut self,
        what: &str,
        (measured, unit): (f64, &str),
        (against, name): (f64, &str),
        target: &'static str,
    ) {
        self.0.push(Row {
            what: what.to_owned(),
            measured: format!("{} {unit}", figure(measured)),
            against: format!("{name}: {} {unit}", figure(against)),
            ratio: format!("{} ×", figure(measured / against)),
            target,
        });
        self.tell_last();
    }

    /// Two things that were measured in turn, pair by pair. The ratio is the median of the pairs'
    /// own, because both drift together with whatever else the machine does.
    pub(crate) fn pairs(
        &mut self,
        what: &str,
        (measured, unit): (&[f64], &str),
        (against, name): (&[f64], &str),
        target: &'static str,
    ) {
        let ratios: Vec<f64> = measured.iter().zip(against).map(|(ours, theirs)| ours / theirs).collect();
        self.0.push(Row {
            what: what.to_owned(),
            measured: format!("{} {unit}", figure(median(measured))),
            against: format!("{name}: {} {unit}", figure(median(against))),
            ratio: format!("{} ×", figure(median(&ratios))),
            target,
        });
        self.tell_last();
    }

    /// A figure that stands alone.
    pub(crate) fn alone(&mut self, what: &str, (measured, unit): (f64, &str), target: &'static str) {
        self.0.push(Row {
            what: what.to_owned(),
            measured: format!("{} {unit}", figure(measured)),
            against: String::new(),
            ratio: String::new(),
            target,
        });
        self.tell_last();
    }

    fn tell_last(&self) {
        if let Some(row) = self.0.last() {
            step(&format!("{}: {}  {}  {}", row.what, row.measured, row.against, row.ratio));
        }
    }

    pub(crate) fn print(&self) {
        println!("\n| what | measured | against | ratio | target |\n|---|---|---|---|---|");
        for Row { what, measured, against, ratio, target } in &self.0 {
            println!("| {what} | {measured} | {against} | {ratio} | {target} |");
        }
    }
}

/// Says on standard error what is being done.
pub(crate) fn step(what: &str) {
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    let began = BEGAN.get_or_init(Instant::now);
    eprintln!("[{:5.1} s] {what}", began.elapsed().as_secs_f64());
}

/// Three digits are what such a measurement is good for.
fn figure(value: f64) -> String {
    match value.abs() {
        0.0..10.0 => format!("{value:.2}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

pub(crate) fn median(values: &[f64]) -> f64 {
    percentile(values, 50)
}

/// The smallest value that so many percent of all do not exceed.
pub(crate) fn percentile(values: &[f64], percent: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or(f64::NAN)
}
