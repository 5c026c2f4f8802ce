//! What the kernel says about processes: their children, their CPU and their memory.

use std::{
    fs,
    ops::{Add, Sub},
    time::Duration,
};

use nix::{time::clock_getcpuclockid, unistd::Pid};

use crate::Outcome;

/// CPU a server has used.
#[derive(Debug, Clone, Copy, Default)]
pub struct Used {
    /// All of it, to the nanosecond.
    pub all: Duration,
    /// The part of `user` and `system` in steps of 10 ms: good for the share of each.
    user: Duration,
    system: Duration,
}

impl Used {
    /// Seconds in user mode and in the kernel.
    pub fn split(self) -> (f64, f64) {
        let (user, system) = (self.user.as_secs_f64(), self.system.as_secs_f64());
        let share = if user + system > 0.0 { user / (user + system) } else { 0.0 };
        let all = self.all.as_secs_f64();
        (all * share, all * (1.0 - share))
    }
}

impl Add for Used {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            all: self.all + other.all,
            user: self.user + other.user,
            system: self.system + other.system,
        }
    }
}

impl Sub for Used {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            all: self.all.saturating_sub(before.all),
            user: self.user.saturating_sub(before.user),
            system: self.system.saturating_sub(before.system),
        }
    }
}

/// A process and all below it, with their names.
pub fn family(root: u32) -> Outcome<Vec<(u32, String)>> {
    let mut all = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Some(id) = entry?.file_name().to_str().and_then(|it| it.parse::<u32>().ok()) else {
            continue;
        };
        // One that ended meanwhile is none of the family.
        if let Ok(stat) = Stat::of(id) {
            all.push((id, stat.parent, stat.name));
        }
    }
    let mut family: Vec<(u32, String)> = Vec::new();
    let mut parents = vec![root];
    while let Some(parent) = parents.pop() {
        family.extend(all.iter().filter(|it| it.0 == parent).map(|it| (it.0, it.2.clone())));
        parents.extend(all.iter().filter(|it| it.1 == parent).map(|it| it.0));
    }
    Ok(family)
}

/// What a process with all its threads has used, those that have ended included.
pub fn used(process: u32) -> Outcome<Used> {
    let stat = Stat::of(process)?;
    let clock = clock_getcpuclockid(Pid::from_raw(process.try_into()?))?;
    Ok(Used {
        all: Duration::from(clock.now()?),
        user: stat.user,
        system: stat.system,
    })
}

/// Resident memory, in bytes.
pub fn resident(process: u32) -> Outcome<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib * 1024.0)
}

/// The line of a process in `/proc`.
struct Stat {
    name: String,
    parent: u32,
    user: Duration,
    system: Duration,
}

impl Stat {
    fn of(process: u32) -> Outcome<Self> {
        let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
        Self::parse(&stat).ok_or_else(|| "a line of /proc that is not understood".into())
    }

    fn parse(stat: &str) -> Option<Self> {
        let (head, fields) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        // The unit is 10 ms on every Linux.
        let ticks = |at: usize| Some(Duration::from_millis(fields.get(at)?.parse::<u64>().ok()? * 10));
        Some(Self {
            name: head.split_once('(')?.1.to_owned(),
            parent: fields.get(1)?.parse().ok()?,
            user: ticks(11)?,
            system: ticks(12)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_brackets() {
        let line = "12 (a (b) c) S 7 1 1 0 -1 4194560 100 0 0 0 250 31 9 9 20 0 1 0 5 1 2";
        let stat = Stat::parse(line).unwrap();
        assert_eq!((stat.name.as_str(), stat.parent), ("a (b) c", 7));
        assert_eq!(
            (stat.user, stat.system),
            (Duration::from_millis(2500), Duration::from_millis(310))
        );
    }

    #[test]
    fn this_process_uses_time_and_memory_and_is_its_own_family() {
        let me = std::process::id();
        let before = used(me).unwrap();
        let mut sum = 0u64;
        while (used(me).unwrap() - before).all < Duration::from_millis(5) {
            sum = sum.wrapping_add(1);
        }
        assert!(sum > 0 && resident(me).unwrap() > 100_000.0);
        assert!(family(me).unwrap().iter().any(|(id, _)| *id == me));
    }
}
