//! What a socket costs that does nothing: memory, and the CPU until it is there. In Chorus all are
//! different people, signed in, in the lobby where all see them, and pinged; once more without the
//! lobby, because nobody else here tells anybody who has come.

use std::time::Duration;

use crate::{
    Outcome,
    crowd::Crowd,
    figures::{AT_THE_DOOR, Cost, Idle},
    peers::Peer,
    report::{rounds, step, turn},
    speech::Speech,
    stats::digits,
    town::Town,
};

/// How often Chorus pings here, so that every socket has been pinged before memory is read.
const PING: &str = "3";
/// Longer than a ping and its answer take.
const QUIET: Duration = Duration::from_secs(7);
/// How long a fresh server is left alone before its memory is read.
const FRESH: Duration = Duration::from_secs(1);

/// All peers in turn, round after round.
pub fn run(peers: &[Peer], sockets: usize, count: usize, town: Option<&Town>) -> Outcome<Vec<Idle>> {
    let mut turns: Vec<(Peer, &str)> = peers.iter().map(|it| (*it, it.key())).collect();
    if peers.contains(&Peer::Chorus) {
        turns.insert(1, (Peer::Chorus, AT_THE_DOOR));
    }
    let nothing = |key: &str| Idle {
        peer: key.to_owned(),
        sockets,
        bytes: vec![],
        connect: vec![],
    };
    let all: Vec<Idle> = turns.iter().map(|(_, key)| nothing(key)).collect();
    rounds(count, all, |round, all| {
        for ((peer, key), figures) in turns.iter().zip(all) {
            turn(&format!("{key} with {sockets} sockets"), figures, |figures| {
                let (bytes, connect) = one(*peer, *key == AT_THE_DOOR, sockets, town)?;
                figures.bytes.push(bytes);
                figures.connect.push(connect);
                let kib = digits(bytes / 1024.0);
                step(&format!(
                    "round {round} of {count}, {key}: {kib} KiB a socket, {connect} a connect"
                ));
                Ok(())
            })?;
        }
        Ok(())
    })
}

fn one(peer: Peer, at_the_door: bool, sockets: usize, town: Option<&Town>) -> Outcome<(f64, Cost)> {
    let running = peer.start(town, &[("PING_SECONDS", PING)])?;
    let people = running.people(town, sockets)?;
    let speech = if at_the_door { Speech::ChorusAtTheDoor } else { running.speech };
    let mut crowd = Crowd::of(speech, vec![running.door], vec!["lobby".to_owned()])?;
    crowd.listen(FRESH)?;
    let (empty, before) = (running.resident()?, running.used()?);
    crowd.enter(people.iter().map(|it| (it.as_str(), 0)))?;
    let connect = Cost::of(running.used()? - before, sockets as u64);
    crowd.listen(QUIET)?;
    Ok(((running.resident()? - empty) / sockets as f64, connect))
}
