//! How Chorus's own cost grows, on one node with its embedded database: with the members of a room,
//! with the rooms that as many members are spread over, and with sockets that do nothing.

use std::time::Duration;

use crate::{
    Outcome,
    crowd::{Crowd, SETTLED},
    fanout::{FLIGHT, spoken},
    figures::{Cost, Growth},
    peers::Peer,
    report::{rounds, step, turn},
    stats::digits,
    town::Town,
};

/// Members and the rooms they are spread over.
pub type Size = (usize, usize);

/// With so many members, what it costs that they are there is measured, too, with all settings as
/// they are: one turn of pings.
const IDLE_WITH: Size = (10_000, 1);
const IDLE: Duration = Duration::from_secs(25);
/// How long those who came are left alone before.
const CALM: Duration = Duration::from_secs(3);
/// About how many deliveries each load has, and how many messages at most: in a small room a
/// message is all that costs.
const DELIVERIES: usize = 200_000;
const MESSAGES: usize = 1_000;

/// All sizes in turn, round after round.
pub fn run(sizes: &[Size], count: usize, town: &Town) -> Outcome<Vec<Growth>> {
    let all: Vec<Growth> = sizes.iter().map(|size| Growth::of(*size)).collect();
    rounds(count, all, |round, all| {
        for figures in all {
            let (members, rooms) = (figures.members, figures.rooms);
            let what = format!("{members} members in {rooms} rooms");
            turn(&what, figures, |figures| one(figures, town))?;
            step(&format!("round {round} of {count}, {what}: {}", last(figures)));
        }
        Ok(())
    })
}

fn last(figures: &Growth) -> String {
    let cost = |costs: &[Cost]| costs.last().map_or_else(String::new, ToString::to_string);
    let resident = figures.resident.last().copied().unwrap_or_default() / 1024.0;
    format!(
        "one in flight {}, {FLIGHT} {}; a join {}, {} KiB each",
        cost(&figures.one),
        cost(&figures.eight),
        cost(&figures.join),
        digits(resident)
    )
}

fn one(figures: &mut Growth, town: &Town) -> Outcome {
    let (members, rooms) = (figures.members, figures.rooms);
    let running = Peer::Chorus.start(Some(town), &[("PING_SECONDS", "600")])?;
    let names: Vec<String> = (0..rooms).map(|room| format!("room-{room}")).collect();
    town.make_rooms(running.door, &names)?;
    let mut crowd = Crowd::of(running.speech, vec![running.door], names)?;
    crowd.listen(Duration::from_secs(1))?;
    let (empty, before) = (running.resident()?, running.used()?);
    let people = running.people(Some(town), members)?;
    crowd.enter(people.iter().enumerate().map(|(at, it)| (it.as_str(), at % rooms)))?;
    crowd.settle(SETTLED)?;
    figures.join.push(Cost::of(running.used()? - before, members as u64));
    figures.join_bytes.push(crowd.bytes() as f64 / members as f64);
    figures.resident.push((running.resident()? - empty) / members as f64);
    let deliveries = DELIVERIES.min(MESSAGES * members / rooms);
    spoken(&running, &mut crowd, deliveries / 4, 1)?;
    let (heard, delivered) = (crowd.bytes(), crowd.delivered());
    figures.one.push(spoken(&running, &mut crowd, deliveries, 1)?);
    let delivered = crowd.delivered() - delivered;
    figures.bytes.push((crowd.bytes() - heard) as f64 / delivered as f64);
    figures.eight.push(spoken(&running, &mut crowd, deliveries * 2, FLIGHT)?);
    drop((crowd, running));
    if (members, rooms) == IDLE_WITH {
        idle(figures, town)?;
    }
    Ok(())
}

fn idle(figures: &mut Growth, town: &Town) -> Outcome {
    let running = Peer::Chorus.start(Some(town), &[])?;
    let people = running.people(Some(town), figures.members)?;
    let mut crowd = Crowd::of(running.speech, vec![running.door], vec!["lobby".to_owned()])?;
    crowd.enter(people.iter().map(|it| (it.as_str(), 0)))?;
    crowd.listen(CALM)?;
    let (before, heard) = (running.used()?, crowd.bytes());
    crowd.listen(IDLE)?;
    let each = figures.members as f64 * IDLE.as_secs_f64();
    figures.idle.push((running.used()? - before).all.as_secs_f64() * 1e6 / each);
    figures.idle_bytes.push((crowd.bytes() - heard) as f64 / each);
    Ok(())
}
