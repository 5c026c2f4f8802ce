//! Servers as processes of their own, on a core of their own. They end with the value that holds
//! them, and with this program however that ends.

use std::{
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use nix::{
    sched::{CpuSet, sched_setaffinity},
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    LIMIT, Outcome,
    kernel::{self, Used},
    stop,
};

/// The servers' core, and the generator's. They are different ones where there are two.
const CORES: [usize; 2] = [0, 1];
/// How long a server may take to end when it is asked to.
const GOODBYE: Duration = Duration::from_secs(15);

/// Keeps this program off the servers' core, if there is another one.
pub fn take_own_core() -> Outcome {
    if several_cores() {
        let mut set = CpuSet::new();
        set.set(CORES[1])?;
        sched_setaffinity(Pid::from_raw(0), &set)?;
    }
    Ok(())
}

fn several_cores() -> bool {
    // What the machine has, not what this process is left with after `take_own_core`.
    std::fs::read_to_string("/proc/cpuinfo").is_ok_and(|it| it.matches("processor\t").count() > 1)
}

/// A program on the servers' core, which the kernel tells to end when this one has.
///
/// It has a session of its own, as a service or a container has a control group of its own: Linux weighs the threads of
/// a session against each other (`sched_autogroup_enabled`), and a chat shares none with those who talk there.
pub fn server(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM", "--", "setsid"]);
    if several_cores() {
        command.args(["taskset", "-c", &CORES[0].to_string()]);
    }
    command.arg(program).stdin(Stdio::null());
    command
}

/// Moves a server that is not what is measured over to the generator's core, where it takes what the generator
/// leaves: all threads of the process, and by their priority all of its group.
pub fn stand_aside(process: u32, group: u32) -> Outcome {
    if !several_cores() {
        return Ok(());
    }
    let (core, process, group) = (CORES[1].to_string(), process.to_string(), group.to_string());
    for (program, arguments) in [
        ("taskset", ["-a", "-cp", &core, &process]),
        ("renice", ["-n", "19", "-g", &group]),
    ] {
        if !Command::new(program).args(arguments).stdout(Stdio::null()).status()?.success() {
            return Err(format!("{program} failed").into());
        }
    }
    Ok(())
}

/// A process that ends with this value.
pub struct Process {
    child: Child,
}

impl Process {
    /// Starts it; what it says is thrown away.
    pub fn start_silent(command: &mut Command) -> Outcome<Self> {
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        Ok(Self { child })
    }

    /// Starts it and waits for the first line on its standard output that `reads`.
    pub fn start<T: Send + 'static>(
        command: &mut Command,
        limit: Duration,
        mut reads: impl FnMut(&str) -> Option<T> + Send + 'static,
    ) -> Outcome<(Self, T)> {
        let mut process = Self { child: command.stdout(Stdio::piped()).spawn()? };
        let output = process.child.stdout.take().ok_or("no output")?;
        let (told, hears) = mpsc::channel();
        // Ends with the process; a full pipe would stop it.
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if let Some(read) = reads(&line) {
                    let _ = told.send(read);
                }
            }
        });
        let began = Instant::now();
        while began.elapsed() < limit {
            stop::check()?;
            match hears.recv_timeout(Duration::from_millis(100)) {
                Ok(read) => return Ok((process, read)),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
            }
        }
        Err(format!("it did not start: {:?}", command.get_args()).into())
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// CPU of it and of all its children.
    pub fn used(&self) -> Outcome<Used> {
        let family = kernel::family(self.id())?;
        let used = family.iter().map(|(id, _)| kernel::used(*id));
        used.sum_up()
    }

    /// Resident memory of it and of all its children, in bytes.
    pub fn resident(&self) -> Outcome<f64> {
        kernel::family(self.id())?.iter().map(|(id, _)| kernel::resident(*id)).sum()
    }
}

/// Adds what processes used, or says what is wrong with one.
trait SumUp {
    fn sum_up(self) -> Outcome<Used>;
}

impl<I: Iterator<Item = Outcome<Used>>> SumUp for I {
    fn sum_up(mut self) -> Outcome<Used> {
        self.try_fold(Used::default(), |sum, used| Ok(sum + used?))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let Ok(id) = self.id().try_into() else { return };
        if kill(Pid::from_raw(id), Signal::SIGTERM).is_ok() {
            let began = Instant::now();
            while began.elapsed() < GOODBYE && matches!(self.child.try_wait(), Ok(None)) {
                thread::sleep(Duration::from_millis(5));
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns when somebody listens there.
pub fn listens(address: SocketAddr) -> Outcome {
    let began = Instant::now();
    while TcpStream::connect(address).is_err() {
        stop::check()?;
        if began.elapsed() > LIMIT {
            return Err(format!("nobody listens on {address}").into());
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// A port that nobody has, for a program that can't choose one itself.
pub fn free_port() -> Outcome<SocketAddr> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
