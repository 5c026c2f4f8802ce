//! What a room feels while thousands come: they come as fast as the generator can, into another
//! room, and a member of the first one goes on to say something every few milliseconds.

use std::time::{Duration, Instant};

use crate::{
    Outcome,
    crowd::{COMING, Crowd, SETTLED},
    figures::Storm,
    pace::Pace,
    peers::Peer,
    report::{rounds, step, turn},
    stats::{digits, percentile},
    town::Town,
};

/// Those who are there already.
const RESIDENTS: usize = 100;
const PACE: Pace = Pace { every: Duration::from_millis(4), times: 300 };
/// So many set out before the generator looks what has come.
const AT_A_TIME: usize = 4;

/// How many people a storm of so many needs.
pub const fn people(sockets: usize) -> usize {
    sockets + RESIDENTS
}

/// All peers in turn, round after round.
pub fn run(peers: &[Peer], sockets: usize, count: usize, town: Option<&Town>) -> Outcome<Vec<Storm>> {
    let nothing = |peer: &Peer| {
        let [took, before, during, late] = [const { Vec::new() }; 4];
        Storm {
            peer: peer.key().to_owned(),
            sockets,
            took,
            before,
            during,
            late,
        }
    };
    let all: Vec<Storm> = peers.iter().map(nothing).collect();
    rounds(count, all, |round, all| {
        for (peer, figures) in peers.iter().zip(all) {
            let what = format!("{} and {sockets} who come", peer.name());
            turn(&what, figures, |figures| {
                let measured = one(*peer, sockets, town)?;
                let [took, before, during, late] = measured;
                figures.took.push(took);
                figures.before.push(before);
                figures.during.push(during);
                figures.late.push(late);
                let [took, before, during, late] = measured.map(digits);
                step(&format!(
                    "round {round} of {count}, {}: all in after {took} s, p99 {before} ms before, {during} ms meanwhile; the generator late by {late} ms",
                    peer.name()
                ));
                Ok(())
            })?;
        }
        Ok(())
    })
}

fn one(peer: Peer, sockets: usize, town: Option<&Town>) -> Outcome<[f64; 4]> {
    let running = peer.start(town, &[])?;
    let people = running.people(town, people(sockets))?;
    let rooms = vec!["lobby".to_owned(), "elsewhere".to_owned()];
    if let Some(town) = town.filter(|_| peer.knows_people()) {
        town.make_rooms(running.door, &rooms[1..])?;
    }
    let mut crowd = Crowd::of(running.speech, vec![running.door], rooms)?;
    let (residents, others) = people.split_at(RESIDENTS);
    crowd.enter(residents.iter().map(|it| (it.as_str(), 0)))?;
    crowd.settle(SETTLED)?;
    // What is compiled, grown or cached at the first messages.
    crowd.paced(PACE, |_| Ok(false))?;
    let before = crowd.paced(PACE, |_| Ok(false))?.heard;
    let (began, mut took, mut others) = (Instant::now(), None, others.iter());
    let during = crowd.paced(Pace { times: 1, ..PACE }, |crowd| {
        for other in others.by_ref().take(AT_A_TIME.min(COMING - crowd.coming().min(COMING))) {
            crowd.sets_out(other, 1)?;
        }
        if others.len() == 0 && crowd.coming() == 0 {
            took.get_or_insert_with(|| began.elapsed());
        }
        Ok(took.is_none())
    })?;
    let took = took.unwrap_or_default().as_secs_f64();
    Ok([
        took,
        percentile(&before, 99),
        percentile(&during.heard, 99),
        percentile(&during.late, 99),
    ])
}
