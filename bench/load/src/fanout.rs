//! What a delivery costs, and how long it takes: everybody in one room, one message in flight, eight
//! in flight, and half of the load that the server's core could do with one in flight.

use std::{fmt::Write, time::Duration};

use crate::{
    Outcome,
    crowd::{Crowd, SETTLED},
    figures::{Cost, Fanout},
    pace::Pace,
    peers::{Peer, Running},
    report::{rounds, step, turn},
    stats::{digits, percentile},
    town::Town,
};

/// Messages in flight under load.
pub const FLIGHT: usize = 8;

/// What a run does.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Who is compared.
    pub peers: Vec<Peer>,
    /// Members of the room.
    pub members: usize,
    /// How often everybody has a turn.
    pub rounds: usize,
    /// About how many deliveries each load has.
    pub deliveries: usize,
    /// How long the half load lasts; without it no times are taken.
    pub half_load: Option<Duration>,
}

/// All peers in turn, round after round.
pub fn run(plan: &Plan, town: Option<&Town>) -> Outcome<Vec<Fanout>> {
    let all: Vec<Fanout> = plan.peers.iter().map(|peer| Fanout::of(peer.key(), plan.members)).collect();
    rounds(plan.rounds, all, |round, all| {
        for (peer, figures) in plan.peers.iter().zip(all) {
            let what = format!("{} with {} members", peer.name(), plan.members);
            turn(&what, figures, |figures| one(*peer, plan, town, figures))?;
            step(&format!("round {round} of {}, {}: {}", plan.rounds, peer.name(), last(figures)));
        }
        Ok(())
    })
}

/// One peer's turn. It begins with a fresh process and ends with it.
fn one(peer: Peer, plan: &Plan, town: Option<&Town>, figures: &mut Fanout) -> Outcome {
    let running = peer.start(town, &[("PING_SECONDS", "600")])?;
    let people = running.people(town, plan.members)?;
    let mut crowd = Crowd::of(running.speech, vec![running.door], vec!["lobby".to_owned()])?;
    crowd.enter(people.iter().map(|it| (it.as_str(), 0)))?;
    crowd.settle(SETTLED)?;
    // What is compiled, grown or cached at the first messages.
    spoken(&running, &mut crowd, plan.deliveries / 4, 1)?;
    let one = spoken(&running, &mut crowd, plan.deliveries, 1)?;
    figures.one.push(one);
    figures.eight.push(spoken(&running, &mut crowd, plan.deliveries * 2, FLIGHT)?);
    if let Some(long) = plan.half_load {
        let rate = 0.5e6 / (plan.members as f64 * one.all());
        let times = crowd.paced(Pace::of(rate, long), |_| Ok(false))?.heard;
        figures.rate.push(rate);
        figures.p50.push(percentile(&times, 50));
        figures.p99.push(percentile(&times, 99));
    }
    Ok(())
}

/// About so many deliveries with so many messages in flight: so many members each say something,
/// everybody hears it all, and the next ones speak.
pub fn spoken(running: &Running, crowd: &mut Crowd, deliveries: usize, flight: usize) -> Outcome<Cost> {
    let bursts = deliveries.div_ceil(crowd.size() * flight).max(3);
    let before = running.used()?;
    let mut delivered = 0;
    for burst in 0..bursts {
        delivered += crowd.burst((0..flight).map(|sender| burst * flight + sender))?;
    }
    Ok(Cost::of(running.used()? - before, delivered))
}

fn last(figures: &Fanout) -> String {
    let of = |values: &[f64]| values.last().map_or_else(String::new, |it| digits(*it));
    let cost = |costs: &[Cost]| costs.last().map_or_else(String::new, ToString::to_string);
    let mut said = format!("one in flight {}, {FLIGHT} {}", cost(&figures.one), cost(&figures.eight));
    if !figures.rate.is_empty() {
        let (rate, p50, p99) = (of(&figures.rate), of(&figures.p50), of(&figures.p99));
        // Writing into a String does not fail.
        let _ = write!(said, "; at {rate} messages/s p50 {p50} ms, p99 {p99} ms");
    }
    said
}
