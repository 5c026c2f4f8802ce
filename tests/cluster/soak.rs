//! The long run (tests/soak), for a minute: the same code, a seed of its own.

#[path = "../soak/run/mod.rs"]
mod run;

use std::time::Duration;

use run::{Wish, soak};
use serde_json::{Value, json};

/// Its first rounds: nginx and a line to PostgreSQL, Redis and a node, Redis and a line to it, PostgreSQL and the
/// line of people to a node.
const SEED: u64 = 5;
const LENGTH: Duration = Duration::from_secs(50);

#[tokio::test(flavor = "multi_thread")]
async fn a_minute_of_the_long_run_breaks_no_promise() {
    let command = format!("CHORUS_SEED={SEED} ./scripts/soak {}s", LENGTH.as_secs());
    let wish = Wish {
        seed: SEED,
        length: LENGTH,
        program: None,
        command: command.clone(),
    };
    let summary = soak(wish).await;
    let wrong = summary.wrong();
    assert!(wrong.is_empty(), "{command}\n{}", wrong.join("\n"));
    assert!(summary.calm_points >= 3 && summary.faults.len() >= 3, "{:?}", summary.faults);
    let folder = tempfile::tempdir().unwrap();
    summary.write(folder.path());
    let read = |file| std::fs::read_to_string(folder.path().join(file)).unwrap();
    let told: Value = serde_json::from_str(&read("soak.json")).unwrap();
    assert_eq!((&told["seed"], &told["problems"]), (&json!(SEED), &json!([])), "{told}");
    assert_eq!(told["calm"].as_array().map(Vec::len), Some(summary.calm_points), "{told}");
    let picture = read("soak.svg");
    assert_eq!(picture.matches("class=\"band\"").count(), summary.spans.len(), "{picture}");
}
