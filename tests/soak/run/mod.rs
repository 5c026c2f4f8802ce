//! A run of any length: people talk, come, go and come back, on both dialects, through nginx and directly,
//! while one thing after the other breaks and is healed, by a seed. After each round of faults there is a
//! calm point: everybody is there and silent, and the checker judges all that was written down since the last
//! one, which then is forgotten. Meanwhile it is noted what the nodes, Redis and PostgreSQL use; in the end
//! that must be flat.
//!
//! `plan` says what breaks when (`fault`), `stage` does it, `people` live through it, `gauges` look, `flat` judges what
//! they saw, `summary` and `plot` tell it.

#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "figures for people"
)]
#![allow(unreachable_pub, reason = "all of it is for two suites")]

mod fault;
mod flat;
mod gauges;
mod people;
mod plan;
mod plot;
mod stage;
mod summary;

use std::{
    any::Any,
    collections::BTreeMap,
    panic::AssertUnwindSafe,
    path::PathBuf,
    time::{Duration, Instant},
};

use futures_util::FutureExt;

use self::{
    fault::Fault,
    gauges::Gauges,
    people::People,
    plan::{Plan, Round},
    stage::Stage,
    summary::{Span, Summary},
};
use crate::{
    common::program::built,
    harness::{line::Backoff as Dice, scene::Horizon},
};

/// How often somebody does something while something is broken.
const STEP: Duration = Duration::from_millis(600);
/// What is said between two rounds, and after the faults of one.
const TALK: usize = 40;
/// From the end of faults until everybody has the same lists.
const AGREE: Duration = Duration::from_secs(30);
/// A word that a sign-in has ended may be kept from a node by two faults and the moment between.
const KEPT: Duration = Duration::from_secs(20);

/// What is asked for.
pub struct Wish {
    pub seed: u64,
    pub length: Duration,
    /// Another program than the one that was built with the tests.
    pub program: Option<PathBuf>,
    /// How it is run again.
    pub command: String,
}

/// Everything of a run that goes on.
struct Run {
    began: Instant,
    length: Duration,
    stage: Stage,
    people: People,
    gauges: Gauges,
    horizon: Horizon,
    calm_points: usize,
    longest_calm: Duration,
    deliveries: usize,
    faults: BTreeMap<&'static str, usize>,
    spans: Vec<Span>,
}

/// Runs until the time is over or something is wrong.
pub async fn soak(wish: Wish) -> Summary {
    let mut run = Run::begin(&wish).await;
    let watching = run.gauges.watch();
    let ended = AssertUnwindSafe(run.live(Plan::of(wish.seed, wish.length))).catch_unwind().await;
    watching.abort();
    if let Err(panic) = ended {
        run.stage.problems.push(words(&*panic));
    }
    run.tell(&format!("ended: {}", run.so_far()));
    Summary {
        seed: wish.seed,
        length: wish.length,
        command: wish.command,
        program: wish.program.unwrap_or_else(|| built().to_owned()).display().to_string(),
        calm_points: run.calm_points,
        longest_calm: run.longest_calm,
        faults: run.faults,
        spans: run.spans,
        acks: run.people.acks(),
        deliveries: run.deliveries,
        sockets: run.people.visits(),
        guests: run.people.guests(),
        problems: run.stage.problems,
        samples: run.gauges.so_far(),
    }
}

/// What a panic says.
fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without words").to_owned()
}

impl Run {
    async fn begin(wish: &Wish) -> Self {
        let stage = Stage::set(wish.program.as_deref()).await;
        let people = People::enter(stage.cluster.clock, stage.doors(), stage.nginx.address).await;
        let gauges = Gauges::of(&stage);
        Self {
            began: Instant::now(),
            length: wish.length,
            stage,
            people,
            gauges,
            horizon: Horizon::default(),
            calm_points: 0,
            longest_calm: Duration::ZERO,
            deliveries: 0,
            faults: BTreeMap::new(),
            spans: vec![],
        }
    }

    async fn live(&mut self, mut plan: Plan) {
        self.people.talk().await;
        self.people.crowd.acked(TALK).await;
        self.come_to_rest().await;
        while self.began.elapsed() < self.length && self.stage.problems.is_empty() {
            self.people.talk().await;
            self.people.crowd.acked(TALK).await;
            self.suffer(plan.next_round()).await;
            self.people.crowd.acked(TALK).await;
            self.come_to_rest().await;
        }
    }

    fn now(&self) -> f64 {
        self.stage.cluster.clock.now().as_secs_f64()
    }

    /// A round of faults, until they are healed.
    async fn suffer(&mut self, mut round: Round) {
        let what: Vec<String> = round.faults.iter().map(Fault::to_string).collect();
        self.tell(&format!("round {}: {}", round.number, what.join(", and ")));
        let mut struck = Vec::new();
        for (nth, fault) in round.faults.iter().enumerate() {
            if nth > 0 {
                self.let_live(round.apart, &mut round.dice).await;
            }
            struck.push((*fault, self.now()));
            *self.faults.entry(fault.kind()).or_default() += 1;
            self.stage.strike(*fault).await;
            self.gauges.follow(&self.stage);
        }
        self.let_live(round.lasts, &mut round.dice).await;
        self.stage.heal(&round.faults).await;
        self.gauges.follow(&self.stage);
        let to = self.now();
        let span =
            |(fault, from): (Fault, f64)| Span { from, to, part: fault.part(), what: fault.to_string() };
        self.spans.extend(struck.into_iter().map(span));
    }

    /// People do something again and again; so often as the time has room for, whatever it costs.
    async fn let_live(&mut self, time: Duration, dice: &mut Dice) {
        for _ in 0..time.as_millis() / STEP.as_millis() {
            self.people.act(dice).await;
            tokio::time::sleep(STEP).await;
        }
    }

    /// Everybody is there and silent, everything has arrived, and it is judged.
    async fn come_to_rest(&mut self) {
        let began = Instant::now();
        self.stage.is_whole().await;
        self.people.come_together().await;
        self.people.crowd.fall_silent().await;
        let agreed = self.stage.cluster.agrees_within(AGREE, &self.people.crowd).await;
        let judged = self.stage.cluster.judge_since(&mut self.horizon, &self.people.crowd, KEPT).await;
        match judged {
            Ok(judged) => self.deliveries += judged.deliveries,
            Err(breach) => return self.stage.problems.push(breach.to_string()),
        }
        self.people.forget_guests();
        self.stage.has_sockets(self.people.count()).await;
        self.gauges.look(true).await;
        self.calm_points += 1;
        self.longest_calm = self.longest_calm.max(agreed);
        self.tell(&format!("calm after {:.1?}: {}", began.elapsed(), self.so_far()));
    }

    /// How it goes, in a line.
    fn so_far(&self) -> String {
        let samples = self.gauges.so_far();
        let memory = samples.last().map_or_else(String::new, |sample| {
            let nodes = sample.nodes.iter().flatten().map(|of| format!("{:.0}", of.memory / 1_048_576.0));
            nodes.collect::<Vec<_>>().join(", ")
        });
        let problems = self.stage.problems.len();
        format!(
            "{} acknowledged, {} deliveries, {} sockets opened; nodes have {memory} MiB; {problems} problems",
            self.people.acks(),
            self.deliveries,
            self.people.visits()
        )
    }

    fn tell(&self, what: &str) {
        println!("[{:>5} s of {}] {what}", self.began.elapsed().as_secs(), self.length.as_secs());
    }
}
