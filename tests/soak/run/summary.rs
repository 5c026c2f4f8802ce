//! What a run was like: as lines while it goes on, and in the end as JSON and as a picture.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use serde_json::{Value, json};

use super::{
    fault::Part,
    flat::{self, Finding},
    gauges::Sample,
    plot,
    stage::SETTINGS,
};

/// From when to when something was broken, in seconds.
#[derive(Debug, Clone)]
pub struct Span {
    pub from: f64,
    pub to: f64,
    pub part: Part,
    pub what: String,
}

/// All that is told of a run.
#[derive(Debug)]
pub struct Summary {
    pub seed: u64,
    /// How long it was to be.
    pub length: Duration,
    /// How it is run again.
    pub command: String,
    /// Of the program.
    pub program: String,
    pub calm_points: usize,
    /// The longest time from the end of a round's faults until everybody had the same lists.
    pub longest_calm: Duration,
    /// How often each kind of fault struck.
    pub faults: BTreeMap<&'static str, usize>,
    pub spans: Vec<Span>,
    pub acks: usize,
    pub deliveries: usize,
    pub sockets: usize,
    pub guests: usize,
    /// What was wrong, with its history; nothing, if all is well.
    pub problems: Vec<String>,
    pub samples: Vec<Sample>,
}

impl Summary {
    pub fn findings(&self) -> Vec<Finding> {
        flat::judge(&self.samples)
    }

    /// What was wrong, limits that do not hold with the rest.
    pub fn wrong(&self) -> Vec<String> {
        let findings = self.findings().into_iter().filter(|finding| !finding.holds());
        let over = findings.map(|of| format!("{}: {:.2}, and at most {:.2}", of.what, of.found, of.most));
        self.problems.iter().cloned().chain(over).collect()
    }

    /// `soak.json` and `soak.svg`, into this folder.
    pub fn write(&self, folder: &Path) {
        fs::create_dir_all(folder).unwrap();
        let text = serde_json::to_string_pretty(&self.json()).unwrap();
        fs::write(folder.join("soak.json"), text + "\n").unwrap();
        let title = format!("{} of faults, seed {}", spoken(self.length), self.seed);
        fs::write(folder.join("soak.svg"), plot::draw(&title, &self.samples, &self.spans)).unwrap();
    }

    fn json(&self) -> Value {
        let findings = self.findings();
        let limits = findings.iter().map(|of| {
            json!({ "what": of.what, "found": rounded(of.found), "most": rounded(of.most), "holds": of.holds() })
        });
        let settings: BTreeMap<_, _> = SETTINGS.into_iter().collect();
        let spans = self.spans.iter().map(|of| json!([rounded(of.from), rounded(of.to), of.what]));
        json!({
            "command": self.command,
            "program": self.program,
            "ended": jiff::Timestamp::now().to_string(),
            "seed": self.seed,
            "seconds": self.length.as_secs(),
            "settings": settings,
            "calmPoints": self.calm_points,
            "longestUntilListsAreEqual": rounded(self.longest_calm.as_secs_f64()),
            "faults": self.faults,
            "acknowledged": self.acks,
            "delivered": self.deliveries,
            "socketsOpened": self.sockets,
            "guests": self.guests,
            "problems": self.wrong(),
            "limits": limits.collect::<Vec<_>>(),
            "broken": spans.collect::<Vec<_>>(),
            "calm": self.samples.iter().filter(|of| of.calm).map(look).collect::<Vec<_>>(),
        })
    }
}

/// One look as JSON.
fn look(sample: &Sample) -> Value {
    let nodes = sample.nodes.iter().flatten().map(|node| {
        json!({
            "process": node.process,
            "memoryKiB": node.memory / 1024.0,
            "descriptors": node.descriptors,
            "threads": node.threads,
            "sockets": node.told.map(|told| told.sockets),
            "tasks": node.told.and_then(|told| told.tasks),
        })
    });
    json!({
        "at": rounded(sample.at),
        "nodes": nodes.collect::<Vec<_>>(),
        "redisKeys": sample.redis.map(|of| of.keys),
        "redisMemory": sample.redis.map(|of| of.memory),
        "postgresSessions": sample.sessions,
    })
}

fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// A time as people say it.
fn spoken(time: Duration) -> String {
    match time.as_secs() {
        seconds if seconds % 60 == 0 => format!("{} min", seconds / 60),
        seconds => format!("{seconds} s"),
    }
}
