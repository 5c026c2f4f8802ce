//! From spawn to ready, against a process of the same binary that only prints its version; and
//! what a node holds that nobody uses.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use tokio::runtime::Runtime;

use crate::{
    Outcome,
    node::{Node, binary, folder},
    report::{Table, median},
};

const TIMES: usize = 10;
/// How long an idle node is left alone before its memory is read.
const QUIET: Duration = Duration::from_secs(2);

pub(crate) fn run(_: &Runtime, table: &mut Table) -> Outcome {
    let (mut fresh, mut again, mut bare) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..TIMES {
        let folder = folder()?;
        fresh.push(milliseconds(Node::start(folder.path(), &[])?.start));
        again.push(milliseconds(Node::start(folder.path(), &[])?.start));
        bare.push(milliseconds(version()?));
    }
    let bare = (median(&bare), "`--version`");
    table.ratio("start to ready, empty folder", (median(&fresh), "ms"), bare, "");
    table.ratio("start to ready, after kill -9", (median(&again), "ms"), bare, "");
    let folder = folder()?;
    let node = Node::start(folder.path(), &[])?;
    std::thread::sleep(QUIET);
    table.alone(
        "memory of an idle node",
        (node.process.rss()? / 1024.0 / 1024.0, "MiB"),
        "< 30 MiB",
    );
    Ok(())
}

fn version() -> Outcome<Duration> {
    let began = Instant::now();
    let done = Command::new(binary()).arg("--version").env_clear().stdout(Stdio::null()).status()?;
    if done.success() { Ok(began.elapsed()) } else { Err("no version".into()) }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
