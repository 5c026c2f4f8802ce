//! People with accounts and sign-ins, and a folder that remembers them, so that every measurement
//! begins with a fresh node that knows everybody. All are different people, made over HTTP.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::{
    LIMIT, Outcome,
    http::Calls,
    process::{Process, server},
    report::step,
    stop,
};

/// Everybody's.
const PASSWORD: &str = "correct horse";
/// Connections that make accounts at the same time.
const TOGETHER: usize = 8;

/// Settings that keep limits made for the public out of the way. All others have their defaults.
pub const SETTINGS: [(&str, &str); 8] = [
    ("BCRYPT_COST", "4"),
    ("RATE_LIMIT_PER_HOUR", "10000000"),
    ("API_LIMIT_PER_MINUTE", "10000000"),
    ("MESSAGE_LIMIT", "100000"),
    ("MAX_SOCKETS_PER_ADDRESS", "1000000"),
    ("MAX_SOCKETS_PER_USER", "1000000"),
    ("TOKEN_TTL_SECONDS", "86400"),
    ("SHUTDOWN_TIMEOUT_SECONDS", "1"),
];

/// `CHORUS_BIN`, or the one that was built beside this program.
#[allow(
    clippy::disallowed_methods,
    reason = "the only setting of this program that is no flag"
)]
pub fn binary() -> Outcome<PathBuf> {
    match std::env::var_os("CHORUS_BIN") {
        Some(path) => Ok(path.into()),
        None => beside_us("chorus"),
    }
}

/// A program that was built together with this one.
pub fn beside_us(name: &str) -> Outcome<PathBuf> {
    let us = std::env::current_exe()?;
    let mut place = us.parent().unwrap_or(Path::new("."));
    // Where cargo puts tests.
    if place.ends_with("deps") {
        place = place.parent().unwrap_or(place);
    }
    let program = place.join(name);
    if program.exists() {
        Ok(program)
    } else {
        Err(format!("{} is not built; ./bench/run does that", program.display()).into())
    }
}

/// A folder on the disk that is built on: the temporary folder may be in memory, where a sync
/// costs nothing.
pub fn folder() -> Outcome<tempfile::TempDir> {
    let place = std::env::current_exe()?;
    Ok(tempfile::tempdir_in(place.parent().unwrap_or(Path::new(".")))?)
}

/// The people and their folder.
pub struct Town {
    folder: tempfile::TempDir,
    /// A sign-in of each.
    pub tokens: Vec<String>,
}

impl Town {
    /// So many people.
    pub fn of(people: usize) -> Outcome<Self> {
        let mut town = Self { folder: folder()?, tokens: Vec::new() };
        let (_node, door) = town.node(&[])?;
        town.tokens = signed_in(&[door], people)?;
        Ok(town)
    }

    /// A fresh node that knows them.
    pub fn node(&self, more: &[(&str, &str)]) -> Outcome<(Process, SocketAddr)> {
        node(self.folder.path(), more)
    }

    /// Makes these rooms, as far as they are not there.
    pub fn make_rooms(&self, door: SocketAddr, rooms: &[String]) -> Outcome {
        make_rooms(door, &self.tokens[0], rooms)
    }
}

/// A fresh node with this folder and these settings, once it is ready.
pub fn node(folder: &Path, more: &[(&str, &str)]) -> Outcome<(Process, SocketAddr)> {
    let mut command = server(&binary()?.to_string_lossy());
    command
        .current_dir(folder)
        .env_clear()
        .envs(path())
        .envs([("PORT", "0"), ("METRICS_PORT", "0")])
        .envs(SETTINGS)
        .env("DATA_DIR", folder)
        .envs(more.iter().copied());
    let (process, port) = Process::start(&mut command, LIMIT, |line| {
        line.strip_prefix("Chorus is at http://localhost:")?.parse().ok()
    })?;
    let door = SocketAddr::from(([127, 0, 0, 1], port));
    ready(door)?;
    Ok((process, door))
}

/// Makes these rooms, as far as they are not there.
pub fn make_rooms(door: SocketAddr, token: &str, rooms: &[String]) -> Outcome {
    let mut calls = Calls::to(door)?;
    for room in rooms {
        let (status, answer) = calls.post("/rooms", token, &json!({ "room": room }))?;
        if status != 201 && status != 409 {
            return Err(format!("no room {room}: {status} {answer}").into());
        }
    }
    Ok(())
}

/// Where programs are: the only thing that a server needs of this one's environment.
#[allow(clippy::disallowed_methods, reason = "handed on, not read")]
fn path() -> Option<(&'static str, std::ffi::OsString)> {
    std::env::var_os("PATH").map(|path| ("PATH", path))
}

/// Asks until the answer is 200.
fn ready(door: SocketAddr) -> Outcome {
    let began = Instant::now();
    while began.elapsed() < LIMIT {
        if Calls::to(door)?.get("/ready")? == 200 {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(5));
    }
    Err("the node does not become ready".into())
}

/// So many people registered and signed in, by all nodes in turn; answers their tokens.
pub fn signed_in(doors: &[SocketAddr], people: usize) -> Outcome<Vec<String>> {
    step(&format!("{people} accounts and sign-ins"));
    let next = AtomicUsize::new(0);
    let one_after_the_other = |door: SocketAddr| -> Outcome<Vec<(usize, String)>> {
        let (mut calls, mut made) = (Calls::to(door)?, Vec::new());
        loop {
            stop::check()?;
            let person = next.fetch_add(1, Ordering::Relaxed);
            if person >= people {
                return Ok(made);
            }
            if person > 0 && person.is_multiple_of(2000) {
                step(&format!("{person} of {people} accounts"));
            }
            made.push((person, sign_in(&mut calls, person)?));
        }
    };
    let mut made = thread::scope(|scope| {
        let workers: Vec<_> = (0..TOGETHER)
            .map(|worker| doors[worker % doors.len()])
            .map(|door| scope.spawn(move || one_after_the_other(door)))
            .collect();
        let mut made = Vec::with_capacity(people);
        for worker in workers {
            made.extend(worker.join().map_err(|_| "a caller failed")??);
        }
        Outcome::Ok(made)
    })?;
    made.sort_unstable();
    Ok(made.into_iter().map(|(_, token)| token).collect())
}

fn sign_in(calls: &mut Calls, person: usize) -> Outcome<String> {
    let body = json!({ "username": format!("person{person:05}"), "password": PASSWORD });
    for (path, awaited) in [("/register", 201), ("/login", 200)] {
        let (status, answer) = calls.post(path, "", &body)?;
        if status != awaited {
            return Err(format!("{path} of a person answered {status}: {answer}").into());
        }
        if let Some(token) = answer["token"].as_str() {
            return Ok(token.to_owned());
        }
    }
    Err("a sign-in without a token".into())
}
