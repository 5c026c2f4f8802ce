//! The house of ARCHITECTURE.md as a test: who may import whom. A room that looks up or sideways fails
//! here, with the line that does it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A room, and what no file in it may name. `crate::x` is another room, `x::` a package.
const FORBIDDEN: &[(&str, &[&str])] = &[
    // The nouns know nothing.
    (
        "domain",
        &[
            "crate::admin",
            "crate::auth",
            "crate::chat",
            "crate::cli",
            "crate::cluster",
            "crate::config",
            "crate::error",
            "crate::http",
            "crate::hub",
            "crate::node",
            "crate::protocol",
            "crate::relay",
            "crate::shutdown",
            "crate::store",
            "crate::telemetry",
            "crate::ws",
            "tokio::",
            "axum::",
            "async fn",
            "std::net",
            "std::fs",
            "std::env",
        ],
    ),
    (
        "error.rs",
        &[
            "axum::",
            "hyper::",
            "crate::http",
            "crate::ws",
            "crate::chat",
            "crate::auth",
            "crate::hub",
        ],
    ),
    // How servers are trusted is the same for whoever calls one.
    ("tls.rs", &["crate::", "tokio::"]),
    // What the kernel is told of a thread is the same whoever starts it.
    ("threads.rs", &["crate::", "tokio::"]),
    (
        "store",
        &[
            "crate::admin",
            "crate::auth",
            "crate::chat",
            "crate::cli",
            "crate::cluster",
            "crate::http",
            "crate::hub",
            "crate::node",
            "crate::protocol",
            "crate::ws",
            "crate::config",
            "crate::relay",
            "axum::",
            "hyper::",
            "fred::",
        ],
    ),
    (
        "cluster",
        &[
            "crate::admin",
            "crate::auth",
            "crate::chat",
            "crate::cli",
            "crate::store",
            "crate::http",
            "crate::hub",
            "crate::node",
            "crate::protocol",
            "crate::ws",
            "crate::config",
            "crate::relay",
            "axum::",
            "hyper::",
            "rusqlite::",
        ],
    ),
    (
        "protocol",
        &[
            "crate::admin",
            "crate::auth",
            "crate::chat",
            "crate::cli",
            "crate::cluster",
            "crate::store",
            "crate::http",
            "crate::hub",
            "crate::node",
            "crate::ws",
            "crate::config",
            "crate::relay",
            "tokio::",
            "axum::",
            "hyper::",
        ],
    ),
    (
        "hub",
        &[
            "crate::admin",
            "crate::auth",
            "crate::chat",
            "crate::cli",
            "crate::cluster",
            "crate::store",
            "crate::http",
            "crate::node",
            "crate::ws",
            "crate::config",
            "crate::domain",
            "crate::relay",
            "axum::",
            "hyper::",
            "serde_json",
        ],
    ),
    (
        "chat",
        &[
            "crate::admin",
            "crate::auth",
            "crate::cli",
            "crate::http",
            "crate::node",
            "crate::ws",
            "crate::config",
            "crate::relay",
            "axum::",
            "hyper::",
            "store::sqlite",
            "store::postgres",
            "cluster::local",
            "cluster::redis",
            "fred::",
        ],
    ),
    // It reads the log and tells others; nobody in the house knows it but who puts the node together and who reads what
    // it is set to.
    (
        "relay",
        &[
            "crate::admin",
            "crate::auth",
            "crate::chat",
            "crate::cli",
            "crate::cluster",
            "crate::config",
            "crate::error",
            "crate::http",
            "crate::hub",
            "crate::node",
            "crate::protocol",
            "crate::readiness",
            "crate::ws",
            "axum::",
            "store::sqlite",
            "store::postgres",
            "fred::",
            "rusqlite::",
        ],
    ),
    // Only webhooks speak HTTP.
    ("relay/plan.rs", &["tokio::net", "hyper::", "lapin::"]),
    ("relay/plan", &["tokio::net", "hyper::", "lapin::"]),
    ("relay/worker.rs", &["tokio::net", "hyper::", "lapin::"]),
    ("relay/worker", &["tokio::net", "hyper::", "lapin::"]),
    ("relay/rabbitmq", &["hyper::"]),
    ("relay/webhook/reach.rs", &["crate::", "tokio::"]),
    (
        "auth",
        &[
            "crate::admin",
            "crate::chat",
            "crate::cli",
            "crate::http",
            "crate::node",
            "crate::relay",
            "crate::ws",
            "axum::",
            "hyper::",
            "store::sqlite",
            "store::postgres",
            "cluster::local",
            "cluster::redis",
            "fred::",
        ],
    ),
    (
        "admin",
        &[
            "crate::cli",
            "crate::config",
            "crate::http",
            "crate::node",
            "crate::relay",
            "axum::",
            "hyper::",
            "store::sqlite",
            "store::postgres",
            "cluster::local",
            "cluster::redis",
            "fred::",
        ],
    ),
    (
        "ws",
        &[
            "crate::admin",
            "crate::http",
            "crate::cli",
            "crate::node",
            "crate::config",
            "crate::cluster",
            "crate::relay",
            "store::sqlite",
            "store::postgres",
            "cluster::local",
            "cluster::redis",
            "fred::",
            "rusqlite::",
        ],
    ),
    (
        "http",
        &[
            "crate::ws",
            "crate::cli",
            "crate::node",
            "crate::cluster",
            "crate::relay",
            "store::sqlite",
            "store::postgres",
            "cluster::local",
            "cluster::redis",
            "fred::",
            "rusqlite::",
            "tungstenite::",
        ],
    ),
    (
        "main.rs",
        &[
            "chorus::store",
            "chorus::cluster",
            "chorus::chat",
            "chorus::hub",
            "chorus::ws",
        ],
    ),
];

/// Only these may name a backend.
const NAMES_A_BACKEND: &[&str] = &[
    "node.rs",
    "node",
    "store/sqlite",
    "store/postgres",
    "cluster/local.rs",
    "cluster/redis",
    "relay/kafka",
    "relay/rabbitmq",
    "cli",
];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn files(below: &Path, found: &mut Vec<PathBuf>) {
    if below.is_file() {
        found.push(below.to_owned());
        return;
    }
    for entry in fs::read_dir(below).unwrap_or_else(|error| panic!("{}: {error}", below.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() || path.extension().is_some_and(|ext| ext == "rs") {
            files(&path, found);
        }
    }
}

/// The lines of a file that are the program: without comments and without its tests.
fn program(path: &Path) -> Vec<(usize, String)> {
    let text = fs::read_to_string(path).unwrap();
    let lines = text.lines().enumerate().map(|(n, line)| (n + 1, line.to_owned()));
    let before_tests = lines.take_while(|(_, line)| line.trim() != "#[cfg(test)]");
    before_tests.filter(|(_, line)| !line.trim_start().starts_with("//")).collect()
}

/// `use crate::{a::b, c}` names `crate::a` and `crate::c` too.
fn names(lines: &[(usize, String)], word: &str) -> Option<usize> {
    let direct = lines.iter().find(|(_, line)| line.contains(word)).map(|(n, _)| *n);
    let Some(room) = word.strip_prefix("crate::") else { return direct };
    direct.or_else(|| {
        let mut inside = false;
        for (n, line) in lines {
            let listed = |rest: &str| {
                rest.strip_prefix(room)
                    .is_some_and(|rest| rest.starts_with("::") || rest.starts_with(','))
            };
            let in_list = inside && line.strip_prefix("    ").is_some_and(listed);
            let in_line = line.starts_with("use crate::{") && line.contains(&format!("{room}::"));
            if in_list || in_line {
                return Some(*n);
            }
            inside = (inside || line.trim() == "use crate::{") && !line.starts_with('}');
        }
        None
    })
}

#[test]
fn dependencies_point_down_only() {
    let mut wrong = Vec::new();
    for (room, forbidden) in FORBIDDEN {
        let mut found = Vec::new();
        files(&source().join(room), &mut found);
        assert!(!found.is_empty(), "{room} is gone; is the table still true?");
        for path in found {
            let lines = program(&path);
            for word in *forbidden {
                if let Some(line) = names(&lines, word) {
                    wrong.push(format!("{}:{line} names {word}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "rooms that look up or sideways:\n{}", wrong.join("\n"));
}

#[test]
fn only_the_composition_root_names_a_backend() {
    let mut found = Vec::new();
    files(&source(), &mut found);
    let allowed = |path: &Path| NAMES_A_BACKEND.iter().any(|place| path.starts_with(source().join(place)));
    let wrong: Vec<String> = found
        .iter()
        .filter(|path| !allowed(path))
        .filter(|path| {
            program(path).iter().any(|(_, line)| {
                [
                    "SqliteStore",
                    "PostgresStore",
                    "LocalCluster",
                    "RedisCluster",
                    "RabbitMq",
                    "Kafka::new",
                    "fred::",
                    "lapin::",
                    "kafka_protocol::",
                ]
                .iter()
                .any(|name| line.contains(name))
            })
        })
        .map(|path| path.display().to_string())
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// What only fuzzing and its tests may be built with.
const FUZZING: &str = "#[cfg(any(test, fuzzing))]";

#[test]
fn what_fuzzing_opens_is_not_in_the_program() {
    let mut found = Vec::new();
    files(&source(), &mut found);
    let mut doors = 0;
    for path in found {
        let lines = program(&path);
        for (at, (n, line)) in lines.iter().enumerate() {
            if ["pub mod fuzz;", "pub mod fuzzing;"].contains(&line.trim()) {
                let before = at.checked_sub(1).map_or("", |before| lines[before].1.trim());
                assert_eq!(before, FUZZING, "{}:{n}", path.display());
                doors += 1;
            }
            let names_one = line.contains("fuzz::") || line.contains("fuzzing::");
            assert!(!names_one || path.ends_with("fuzzing.rs"), "{}:{n}", path.display());
        }
    }
    assert!(doors > 1, "the doors have another name now");
}

/// What the project is built on.
const BUILT_ON: &[&str] = &[
    "tokio",
    "axum",
    "fred",
    "kafka-protocol",
    "lapin",
    "deadpool-postgres",
    "tokio-postgres",
    "jsonwebtoken",
    "bcrypt",
    "tower_governor",
    "opentelemetry",
    "tracing-opentelemetry",
    "sentry",
    "serde",
    "utoipa",
];

#[test]
fn what_the_project_is_built_on_is_a_direct_dependency_in_use() {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    let (_, dependencies) = manifest.split_once("\n[dependencies]\n").expect("the section");
    let dependencies = dependencies.split("\n[").next().unwrap();
    let mut found = Vec::new();
    files(&source(), &mut found);
    let program: Vec<String> = found.iter().flat_map(|path| program(path)).map(|(_, line)| line).collect();
    for package in BUILT_ON {
        let is_direct = dependencies.lines().any(|line| line.split(['=', ' ']).next() == Some(package));
        assert!(is_direct, "{package} is no direct dependency");
        let path = format!("{}::", package.replace('-', "_"));
        let uses = |line: &String| {
            line.match_indices(&path).any(|(at, _)| {
                !line[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_')
            })
        };
        assert!(program.iter().any(uses), "{package} is not used");
    }
}

#[test]
fn every_file_says_what_it_is_for() {
    let mut found = Vec::new();
    files(&source(), &mut found);
    let silent: Vec<_> = found
        .iter()
        .filter(|path| !fs::read_to_string(path).unwrap().starts_with("//!"))
        .collect();
    assert!(silent.is_empty(), "without a module comment: {silent:?}");
}

#[test]
fn the_table_would_notice() {
    let lines: Vec<(usize, String)> = ["use crate::{", "    chat::Chat,", "    error::Refusal,", "};"]
        .map(str::to_owned)
        .into_iter()
        .enumerate()
        .collect();
    assert_eq!(names(&lines, "crate::chat"), Some(1));
    assert_eq!(names(&lines, "crate::auth"), None);
    assert_eq!(names(&[(7, "use crate::ws::Peer;".to_owned())], "crate::ws"), Some(7));
    assert_eq!(
        names(&[(7, "use crate::{chat::Chat, hub::Hub};".to_owned())], "crate::hub"),
        Some(7)
    );
}
