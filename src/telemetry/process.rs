//! What the system knows about this process, under the names that Prometheus' own libraries use.
//!
//! A small reader of `/proc` and not a library: recorders count in whole numbers, and whole seconds of
//! CPU are too coarse for a rate over a minute. What can't be read is left out, never shown as 0.

use std::{fmt::Write, fs, time::Duration};

use rustix::{
    param::{clock_ticks_per_second, page_size},
    process::{Resource, getrlimit},
};

/// This process, as far as it does not change.
#[derive(Debug, Clone)]
pub(super) struct Process {
    /// Since 1970.
    started: Option<Duration>,
}

/// One look at it.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
struct Look {
    cpu_seconds: Option<f64>,
    start_time_seconds: Option<f64>,
    threads: Option<u64>,
    resident_bytes: Option<u64>,
    virtual_bytes: Option<u64>,
    open_fds: Option<u64>,
    max_fds: Option<u64>,
}

impl Process {
    /// The one that asks.
    pub(super) fn this() -> Self {
        let booted = fs::read_to_string("/proc/stat").ok().and_then(|text| boot_time(&text));
        let started = Stat::read().zip(booted).map(|(stat, booted)| booted + ticks(stat.started));
        Self { started }
    }

    /// Looks, and writes what was seen as Prometheus reads it.
    pub(super) fn render(&self) -> String {
        let stat = Stat::read();
        let bytes = |pages: u64| pages.saturating_mul(page_size() as u64);
        let look = Look {
            cpu_seconds: stat.map(|stat| ticks(stat.cpu).as_secs_f64()),
            start_time_seconds: self.started.map(|since| since.as_secs_f64()),
            threads: stat.map(|stat| stat.threads),
            resident_bytes: stat.map(|stat| bytes(stat.resident_pages)),
            virtual_bytes: stat.map(|stat| stat.virtual_bytes),
            open_fds: open_fds(),
            max_fds: getrlimit(Resource::Nofile).current,
        };
        look.text()
    }
}

impl Look {
    fn text(&self) -> String {
        let whole = |number: Option<u64>| number.map(|number| number.to_string());
        let exact = |number: Option<f64>| number.map(|number| number.to_string());
        let mut text = String::new();
        for (name, kind, help, value) in [
            (
                "cpu_seconds_total",
                "counter",
                "CPU time, of programs and system",
                exact(self.cpu_seconds),
            ),
            (
                "start_time_seconds",
                "gauge",
                "When it started, since 1970",
                exact(self.start_time_seconds),
            ),
            ("threads", "gauge", "Threads", whole(self.threads)),
            ("resident_memory_bytes", "gauge", "Memory in use", whole(self.resident_bytes)),
            (
                "virtual_memory_bytes",
                "gauge",
                "Memory that is mapped",
                whole(self.virtual_bytes),
            ),
            ("open_fds", "gauge", "Files and sockets that are open", whole(self.open_fds)),
            ("max_fds", "gauge", "How many of them may be open", whole(self.max_fds)),
        ] {
            if let Some(value) = value {
                let head = format_args!(
                    "# HELP process_{name} {help} of this process.\n# TYPE process_{name} {kind}"
                );
                let _ = writeln!(text, "{head}\nprocess_{name} {value}\n");
            }
        }
        text
    }
}

/// What `/proc/self/stat` says that is of use here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stat {
    /// In ticks, of user and system.
    cpu: u64,
    threads: u64,
    /// In ticks since the machine started.
    started: u64,
    virtual_bytes: u64,
    resident_pages: u64,
}

impl Stat {
    fn read() -> Option<Self> {
        fs::read_to_string("/proc/self/stat").ok().and_then(|text| Self::parse(&text))
    }

    /// The fields are numbered in `proc_pid_stat(5)`; the second is the program's name in brackets, which
    /// may hold anything.
    fn parse(text: &str) -> Option<Self> {
        let (_, rest) = text.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            cpu: field(14)?.saturating_add(field(15)?),
            threads: field(20)?,
            started: field(22)?,
            virtual_bytes: field(23)?,
            resident_pages: field(24)?,
        })
    }
}

/// When the machine started, since 1970: `btime` of `/proc/stat`.
fn boot_time(text: &str) -> Option<Duration> {
    let seconds = text.lines().find_map(|line| line.strip_prefix("btime "))?;
    seconds.trim().parse().ok().map(Duration::from_secs)
}

fn ticks(count: u64) -> Duration {
    let each = clock_ticks_per_second().max(1);
    Duration::from_millis(count.saturating_mul(1_000) / each)
}

/// Linux 6.2 and later tell how many there are; before, they are counted.
fn open_fds() -> Option<u64> {
    const PLACE: &str = "/proc/self/fd";
    match fs::metadata(PLACE).ok()?.len() {
        // One of them is the folder that is read.
        0 => fs::read_dir(PLACE).ok().map(|found| found.count().saturating_sub(1) as u64),
        known => Some(known),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_spaces_moves_no_field() {
        let text = "7 (a) b) S 1 7 7 0 -1 4194304 9 0 0 0 120 30 0 0 20 0 11 0 5000 1048576 256 18446744073709551615";
        let expected = Stat {
            cpu: 150,
            threads: 11,
            started: 5000,
            virtual_bytes: 1_048_576,
            resident_pages: 256,
        };
        assert_eq!(Stat::parse(text), Some(expected));
        assert_eq!(Stat::parse("7 (a) S 1 7"), None);
        assert_eq!(Stat::parse(""), None);
    }

    #[test]
    fn the_machine_started_at_some_time() {
        assert_eq!(
            boot_time("cpu 1 2\nbtime 1700000000\n"),
            Some(Duration::from_secs(1_700_000_000))
        );
        assert_eq!(boot_time("cpu 1 2\n"), None);
    }

    #[test]
    fn what_can_not_be_read_is_left_out() {
        assert_eq!(Look::default().text(), "");
        let text = Look { cpu_seconds: Some(1.25), ..Look::default() }.text();
        assert!(text.contains("# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total 1.25\n"));
        assert_eq!(text.matches("# TYPE").count(), 1);
    }

    #[test]
    fn this_process_is_seen_whole() {
        let text = Process::this().render();
        assert_eq!(text.matches("# TYPE").count(), 7, "{text}");
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim().parse::<f64>().unwrap()
        };
        assert!(value("process_open_fds ") >= 3.0 && value("process_threads ") >= 1.0);
        assert!(value("process_resident_memory_bytes ") < value("process_virtual_memory_bytes "));
        assert!(value("process_open_fds ") < value("process_max_fds "));
        let year = 365.25 * 24.0 * 3_600.0;
        assert!((2020.0..2100.0).contains(&(1970.0 + value("process_start_time_seconds ") / year)));
    }
}
