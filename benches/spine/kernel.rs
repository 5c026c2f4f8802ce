//! What the kernel says about processes, their children and their ports.

use std::{
    fs,
    io::IoSliceMut,
    net::TcpStream,
    os::fd::AsRawFd,
    time::{Duration, SystemTime},
};

use nix::{
    sched::{CpuSet, sched_setaffinity},
    sys::{
        socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt},
        time::TimeSpec,
    },
    unistd::Pid,
};

use crate::Outcome;

/// CPU a process has used so far, user and system.
pub(crate) fn cpu(process: u32) -> Outcome<Duration> {
    ticks(process, &[USER, SYSTEM])
}

/// The same with all its children and theirs, those that are gone included.
pub(crate) fn cpu_of_all(process: u32) -> Outcome<Duration> {
    let mut sum = ticks(process, &[USER, SYSTEM, CHILDRENS_USER, CHILDRENS_SYSTEM])?;
    for child in children(process)? {
        // One that ends meanwhile is in its parent's figures the next time.
        sum += cpu_of_all(child).unwrap_or_default();
    }
    Ok(sum)
}

/// Time of all cores so far, and how much of it a host had taken for others.
pub(crate) struct Stolen {
    all: f64,
    stolen: f64,
}

impl Stolen {
    pub(crate) fn now() -> Outcome<Self> {
        /// Of the first line's figures, behind its name; two more are parts of others.
        const STEAL: usize = 7;
        let stat = fs::read_to_string("/proc/stat")?;
        let line = stat.lines().next().ok_or("no stat")?;
        let ticks: Vec<f64> =
            line.split_whitespace().skip(1).take(STEAL + 1).filter_map(|it| it.parse().ok()).collect();
        Ok(Self {
            all: ticks.iter().sum(),
            stolen: *ticks.get(STEAL).ok_or("no time of a host")?,
        })
    }

    /// Percent taken since then.
    pub(crate) fn since(&self, before: &Self) -> f64 {
        100.0 * (self.stolen - before.stolen) / (self.all - before.all).max(1.0)
    }
}

/// Resident memory, in bytes.
pub(crate) fn rss(process: u32) -> Outcome<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib * 1024.0)
}

/// The process that listens on this port of a loopback address. Whoever started a server knows its
/// port, and not always its process.
pub(crate) fn listener(port: u16) -> Outcome<u32> {
    let inode = listening_socket(port)?.ok_or_else(|| format!("nobody listens on port {port}"))?;
    let socket = format!("socket:[{inode}]");
    let mut holders: Vec<u32> = processes()?.into_iter().filter(|it| holds(*it, &socket)).collect();
    // Children may have inherited it; the parent is the one that counts.
    holders.sort_unstable();
    let parents: Vec<u32> = holders
        .iter()
        .copied()
        .filter(|it| parent(*it).is_none_or(|it| !holders.contains(&it)))
        .collect();
    Ok(*parents.first().ok_or_else(|| format!("port {port} belongs to a hidden process"))?)
}

/// Fields of `stat`, counted behind the name.
const PARENT: usize = 1;
const USER: usize = 11;
const SYSTEM: usize = 12;
const CHILDRENS_USER: usize = 13;
const CHILDRENS_SYSTEM: usize = 14;

/// The unit of `stat` is 10 ms on every Linux.
fn ticks(process: u32, fields: &[usize]) -> Outcome<Duration> {
    let mut sum = 0;
    for field in fields {
        sum += stat(process, *field)?;
    }
    Ok(Duration::from_millis(sum * 10))
}

fn stat(process: u32, field: usize) -> Outcome<u64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let (_, fields) = stat.rsplit_once(')').ok_or("no stat")?;
    Ok(fields.split_whitespace().nth(field).ok_or("no stat")?.parse()?)
}

fn parent(process: u32) -> Option<u32> {
    stat(process, PARENT).ok()?.try_into().ok()
}

fn children(process: u32) -> Outcome<Vec<u32>> {
    Ok(processes()?.into_iter().filter(|it| parent(*it) == Some(process)).collect())
}

fn processes() -> Outcome<Vec<u32>> {
    let entries = fs::read_dir("/proc")?;
    Ok(entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect())
}

/// The inode of the socket that listens there, from the table of all.
fn listening_socket(port: u16) -> Outcome<Option<String>> {
    const LISTENS: &str = "0A";
    let table = fs::read_to_string("/proc/net/tcp")?;
    let port = format!(":{port:04X}");
    Ok(table.lines().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let here = fields.get(1)?.ends_with(&port) && *fields.get(3)? == LISTENS;
        here.then(|| fields.get(9).map(ToString::to_string)).flatten()
    }))
}

fn holds(process: u32, socket: &str) -> bool {
    let Ok(files) = fs::read_dir(format!("/proc/{process}/fd")) else {
        return false;
    };
    files
        .filter_map(|file| fs::read_link(file.ok()?.path()).ok())
        .any(|target| target.to_str() == Some(socket))
}

/// From now on the calling thread, and those that it starts, run on this core only.
pub(crate) fn stay_on(core: usize) -> Outcome {
    let mut cores = CpuSet::new();
    cores.set(core)?;
    Ok(sched_setaffinity(Pid::from_raw(0), &cores)?)
}

/// The kernel notes when this socket's bytes come, from a moment after the first socket has asked for it.
pub(crate) fn note_arrivals(stream: &TcpStream) -> Outcome {
    Ok(setsockopt(stream, sockopt::ReceiveTimestampns, &true)?)
}

/// Reads what is there, or waits for it: how many bytes, and when the last of them had come.
pub(crate) fn receive(stream: &TcpStream, chunk: &mut [u8]) -> Outcome<(usize, SystemTime)> {
    let mut control = nix::cmsg_space!(TimeSpec);
    let mut into = [IoSliceMut::new(chunk)];
    let read = recvmsg::<()>(stream.as_raw_fd(), &mut into, Some(&mut control), MsgFlags::empty())?;
    let noted = read.cmsgs()?.find_map(|note| match note {
        ControlMessageOwned::ScmTimestampns(time) => Some(Duration::from(time)),
        _ => None,
    });
    let came = noted.map_or_else(SystemTime::now, |since| SystemTime::UNIX_EPOCH + since);
    Ok((read.bytes, came))
}
