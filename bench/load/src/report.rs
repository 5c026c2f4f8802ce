//! Progress on standard error while it runs.

use std::{sync::OnceLock, time::Instant};

use crate::{Outcome, stop};

/// Says what is being done.
pub fn step(what: &str) {
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    let began = BEGAN.get_or_init(Instant::now);
    eprintln!("[{:6.1} s] {what}", began.elapsed().as_secs_f64());
}

/// How often a turn may fail before the run does.
const TRIES: usize = 3;

/// One turn, which adds to figures, and again if it fails: something else on the machine may have
/// held it up, and a run is long. Of a turn that failed nothing is kept.
pub fn turn<T: Clone>(what: &str, figures: &mut T, turn: impl Fn(&mut T) -> Outcome) -> Outcome {
    let mut tries = 1;
    loop {
        let mut now = figures.clone();
        match turn(&mut now) {
            Ok(()) => {
                *figures = now;
                return Ok(());
            }
            Err(error) if tries < TRIES && stop::check().is_ok() => {
                step(&format!("{what}: {error}; once more"));
                tries += 1;
            }
            Err(error) => return Err(format!("{what}: {error}").into()),
        }
    }
}

/// Round after round, each of which adds to figures. When somebody asks for the end, what whole rounds
/// have given is the result; without one there is none.
pub fn rounds<T: Clone>(count: usize, figures: T, round: impl FnMut(usize, &mut T) -> Outcome) -> Outcome<T> {
    rounds_until(stop::asked, count, figures, round)
}

fn rounds_until<T: Clone>(
    stopped: impl Fn() -> bool,
    count: usize,
    mut figures: T,
    mut round: impl FnMut(usize, &mut T) -> Outcome,
) -> Outcome<T> {
    for number in 1..=count {
        let mut now = figures.clone();
        match round(number, &mut now) {
            Ok(()) => figures = now,
            Err(_) if number > 1 && stopped() => {
                step(&format!("stopped; {} of {count} rounds are kept", number - 1));
                break;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(figures)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn of_a_turn_that_failed_nothing_is_kept() {
        let (mut figures, tries) = (vec![1], Cell::new(0));
        let fails_at_first = |figures: &mut Vec<i32>| {
            tries.set(tries.get() + 1);
            figures.push(tries.get() + 1);
            if tries.get() < 3 { Err("late".into()) } else { Ok(()) }
        };
        turn("it", &mut figures, fails_at_first).unwrap();
        assert_eq!(figures, [1, 4]);
        let always = turn("it", &mut figures, |figures| {
            figures.push(0);
            Err("late".into())
        });
        assert_eq!(always.unwrap_err().to_string(), "it: late");
        assert_eq!(figures, [1, 4]);
    }

    #[test]
    fn of_a_run_that_is_stopped_whole_rounds_are_kept() {
        let run = |until: usize, stopped: bool| {
            rounds_until(
                || stopped,
                5,
                Vec::new(),
                |round, figures| {
                    figures.push(round);
                    if round > until { Err("held up".into()) } else { Ok(()) }
                },
            )
        };
        assert_eq!(run(5, false).unwrap(), [1, 2, 3, 4, 5]);
        assert_eq!(run(2, true).unwrap(), [1, 2]);
        assert!(run(2, false).is_err(), "it failed, and nobody stopped it");
        assert!(run(0, true).is_err(), "no round is whole");
    }
}
