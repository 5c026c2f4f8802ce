//! How the threads of one node share a core that is full.
//!
//! On a node that is behind, who waits for whom is decided by the kernel. Left to itself it gives every thread the same:
//! a thread that wakes to read one message or to commit it then stands behind one that has thousands of writes to do,
//! up to a tick of the kernel's clock (4 ms), and a message needs five threads. So each thread says what it is for.

/// What a thread is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// Sockets and commits: works for microseconds, and everybody waits for it.
    Brisk,
    /// Deliveries, and what is read from the log: works as long as there is something to do.
    Steady,
    /// Whoever comes, HTTP, and what goes on to other systems. Beside one busy thread of the kinds above it gets about a
    /// tenth of a core (the kernel weighs 110 against 1024), beside three a thirtieth; alone all of it.
    Patient,
    /// Hashes of passwords: as patient, and let in after those who don't compute for so long.
    Spare,
}

impl Share {
    /// How long the kernel lets it run while others wait, in nanoseconds. A thread that wakes is let in at once
    /// before one with a longer slice, unless it has had more than its part lately (`EEVDF`, Linux 6.12 or newer; the
    /// kernel's own slice is 0.7 to 3 ms, by version and number of cores).
    ///
    /// Patience is niceness, not a long slice: since Linux 6.17 a group of which only patient threads are ready is let in for
    /// so long as their slice is worth at their weight, and keeps the time when threads wake that weigh ten times as much. The
    /// kernel's own threads of that core, which send what is committed to the disk, stood ready for up to 133 ms then.
    const fn slice(self) -> u64 {
        match self {
            Self::Brisk => 100_000,
            Self::Steady => 400_000,
            Self::Patient => 200_000,
            Self::Spare => 6_000_000,
        }
    }

    /// How nice it is to the others of this machine, given how nice who started it is.
    const fn nice(self, inherited: i32) -> i32 {
        const NICE: i32 = 10;
        match self {
            Self::Patient | Self::Spare if inherited < NICE => NICE,
            _ => inherited,
        }
    }

    /// Says so for the calling thread, and for those that it starts. Niceness can't be taken back, so a brisk thread is
    /// not started by a patient one. Where the kernel does not know of such things, or forbids them, those who are there
    /// wait longer on a full core.
    pub fn take(self) {
        if let Err(error) = take(self) {
            tracing::debug!(%error, share = ?self, "the kernel treats this thread like any other");
        }
    }
}

#[cfg(target_os = "linux")]
fn take(share: Share) -> std::io::Result<()> {
    use rustix::process::{getpriority_process, setpriority_process};

    // On Linux both are of the calling thread.
    let nice = share.nice(getpriority_process(None)?);
    // Niceness by itself is something, and older than the other call.
    set(nice, share.slice()).or_else(|_| Ok(setpriority_process(None, nice)?))
}

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "the system call has no safe wrapper")]
fn set(nice: i32, slice: u64) -> std::io::Result<()> {
    use std::io::Error;

    const THIS_THREAD: libc::pid_t = 0;
    const NO_FLAGS: libc::c_uint = 0;
    // It has 48 bytes.
    let size = u32::try_from(size_of::<libc::sched_attr>()).unwrap_or_default();
    let mut attributes = libc::sched_attr {
        size,
        sched_policy: libc::SCHED_OTHER.unsigned_abs(),
        // Whoever starts a node under another policy is right.
        sched_flags: u64::from(libc::SCHED_FLAG_KEEP_POLICY.unsigned_abs()),
        sched_nice: nice,
        sched_priority: 0,
        sched_runtime: slice,
        sched_deadline: 0,
        sched_period: 0,
    };
    // SAFETY: sched_setattr(2) reads `size` bytes from the pointer and may write the kernel's own size into the first
    // field. The pointer is to a value of that size, which is ours alone and outlives the call. What changes is how the
    // calling thread is scheduled, and nothing else.
    let done = unsafe { libc::syscall(libc::SYS_sched_setattr, THIS_THREAD, &raw mut attributes, NO_FLAGS) };
    if done == 0 { Ok(()) } else { Err(Error::last_os_error()) }
}

#[cfg(not(target_os = "linux"))]
fn take(share: Share) -> std::io::Result<()> {
    let (_, _) = (share.slice(), share.nice(0));
    Err(std::io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::{fs, thread};

    use super::*;

    /// What the kernel says about the calling thread: its niceness, and its slice in nanoseconds if it knows of them.
    fn told() -> (i32, Option<u64>) {
        let stat = fs::read_to_string("/proc/thread-self/stat").unwrap();
        let (_, fields) = stat.rsplit_once(')').unwrap();
        let nice = fields.split_whitespace().nth(16).unwrap().parse().unwrap();
        let sched = fs::read_to_string("/proc/thread-self/sched").unwrap_or_default();
        let slice = sched.lines().find_map(|line| line.strip_prefix("se.slice")?.split(':').nth(1));
        (nice, slice.map(|it| it.trim().parse().unwrap()))
    }

    #[test]
    fn the_kernel_knows_what_a_thread_is_for() {
        let (before, _) = told();
        for share in [Share::Brisk, Share::Steady, Share::Patient, Share::Spare] {
            let (nice, slice) = thread::spawn(move || {
                share.take();
                // Who is started by it is for the same.
                thread::spawn(told).join().unwrap()
            })
            .join()
            .unwrap();
            assert_eq!(nice, share.nice(before), "{share:?}");
            if let Some(slice) = slice {
                assert_eq!(slice, share.slice(), "{share:?}");
            }
        }
        assert_eq!(told().0, before, "other threads are as they were");
    }

    #[test]
    fn nobody_is_made_less_nice_than_who_started_the_node_wanted() {
        let of = |share: Share| [-5, 0, 7, 15].map(|inherited| share.nice(inherited));
        assert_eq!(of(Share::Brisk), [-5, 0, 7, 15]);
        assert_eq!(of(Share::Steady), [-5, 0, 7, 15]);
        assert_eq!(of(Share::Patient), [10, 10, 10, 15]);
        assert_eq!(of(Share::Spare), [10, 10, 10, 15]);
    }
}
