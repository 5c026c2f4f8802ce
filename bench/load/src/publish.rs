//! Where figures are kept and shown: `bench/figures.json`, the tables between their marks in
//! `docs/performance.md`, and the plots in `docs/images`. A part that is measured anew takes the place
//! of the former one; all others stay as they were.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    Outcome,
    figures::{Figures, Part},
    foretold,
    model::{Coefficients, Demand},
    plots, report, tables,
};

/// The demand of the published model: a million connections that stay for half an hour each, a
/// hundred thousand messages a second.
pub const DEMAND: Demand = Demand {
    connections: 1e6,
    messages: 1e5,
    room: 100.0,
    stay: 1800.0,
    cores: 4.0,
    database_cores: 32.0,
    busy: 0.5,
    commit: 0.002,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn file() -> PathBuf {
    root().join("bench/figures.json")
}

/// What is kept; nothing when nothing was ever published.
pub fn kept() -> Outcome<Figures> {
    match fs::read_to_string(file()) {
        Ok(text) => Ok(serde_json::from_str(&text)?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Figures::default()),
        Err(error) => Err(error.into()),
    }
}

/// Says what was measured, or keeps and publishes it.
pub fn show(measured: Figures, publish: bool) -> Outcome {
    if !publish {
        for (_, table) in tables::all(&measured) {
            println!("{table}");
        }
        return Ok(());
    }
    let before = kept()?;
    let figures = Figures {
        fanout: measured.fanout.or(before.fanout),
        idle: measured.idle.or(before.idle),
        storm: measured.storm.or(before.storm),
        grow: measured.grow.or(before.grow),
        cluster: measured.cluster.or(before.cluster),
        backlog: measured.backlog.or(before.backlog),
        beside: measured.beside.or(before.beside),
    };
    fs::write(
        file(),
        serde_json::to_string_pretty(&rounded(serde_json::to_value(&figures)?))? + "\n",
    )?;
    render(&figures)
}

/// Tables and plots of what is kept.
pub fn render(figures: &Figures) -> Outcome {
    let place = root().join("docs/performance.md");
    let mut document = fs::read_to_string(&place)?;
    let mut all = tables::all(figures);
    if let Ok(coefficients) = Coefficients::of(figures) {
        all.push(("coefficients", foretold::coefficients(&coefficients)));
        all.push(("model", foretold::answers(&coefficients, &DEMAND, &foretold::ROOMS)));
    }
    for (name, table) in all {
        document = placed(&document, name, &table)?;
    }
    fs::write(&place, document)?;
    for (name, plot) in plots::all(figures) {
        fs::write(root().join("docs/images").join(name), plot)?;
    }
    report::step("written: bench/figures.json, docs/performance.md, docs/images/bench-*.svg");
    Ok(())
}

/// The document with this between the marks of that name.
fn placed(document: &str, name: &str, text: &str) -> Outcome<String> {
    let (begin, end) = (format!("<!-- load: {name} -->\n"), format!("<!-- end of {name} -->"));
    let missing = || format!("docs/performance.md has no place for `{name}`");
    let (before, rest) = document.split_once(&begin).ok_or_else(missing)?;
    let (_, after) = rest.split_once(&end).ok_or_else(missing)?;
    Ok(format!("{before}{begin}\n{}\n\n{end}{after}", text.trim()))
}

/// Five digits of every figure: more is noise, and makes every new line look different.
fn rounded(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::Number(number) if number.is_f64() => {
            let value = number.as_f64().unwrap_or_default();
            format!("{value:.4e}").parse::<f64>().map_or(Value::Null, Value::from)
        }
        Value::Array(all) => all.into_iter().map(rounded).collect(),
        Value::Object(all) => all.into_iter().map(|(name, value)| (name, rounded(value))).collect(),
        other => other,
    }
}

/// A part with when, where and how it was measured.
pub fn part<T>(figures: Vec<T>) -> Part<T> {
    Part {
        date: today(),
        machine: machine(),
        command: command(),
        figures,
    }
}

fn today() -> String {
    let said = Command::new("date").arg("+%F").output();
    said.map(|it| String::from_utf8_lossy(&it.stdout).trim().to_owned()).unwrap_or_default()
}

fn command() -> String {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    format!("./bench/run {}", arguments.join(" "))
}

/// Cores, memory and kernel; whose machine it is says nothing.
fn machine() -> String {
    let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = cpu.lines().filter(|line| line.starts_with("processor")).count();
    let memory = read("/proc/meminfo");
    let kib = memory.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib: f64 = kib
        .and_then(|it| it.trim().trim_end_matches("kB").trim().parse().ok())
        .unwrap_or_default();
    let kernel = read("/proc/sys/kernel/osrelease");
    let kernel: Vec<&str> = kernel.split(['.', '-']).take(2).collect();
    format!(
        "{cores} cores ({}), {:.0} GiB, Linux {}",
        model.map_or("unknown", |it| it.1).trim(),
        kib / 1024.0 / 1024.0,
        kernel.join(".")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_takes_the_place_of_the_former_one() {
        let document = "before\n<!-- load: idle -->\nold\n<!-- end of idle -->\nafter\n";
        let once = placed(document, "idle", "| new |\n").unwrap();
        assert_eq!(once, "before\n<!-- load: idle -->\n\n| new |\n\n<!-- end of idle -->\nafter\n");
        assert_eq!(placed(&once, "idle", "| new |").unwrap(), once);
        assert!(placed(document, "storm", "").is_err());
    }

    #[test]
    fn figures_are_kept_with_five_digits() {
        let figures = serde_json::json!({ "a": [1234.56789, 3], "b": 0.000_123_456_7 });
        assert_eq!(rounded(figures), serde_json::json!({ "a": [1234.6, 3], "b": 0.000_123_46 }));
    }

    #[test]
    fn the_published_document_has_a_place_for_every_table() {
        let document = fs::read_to_string(root().join("docs/performance.md")).unwrap();
        let figures = ["peers", "idle", "storm", "grow", "nodes", "backlog", "beside"];
        for name in figures.into_iter().chain(["coefficients", "model"]) {
            assert!(placed(&document, name, "").is_ok(), "{name}");
        }
    }
}
