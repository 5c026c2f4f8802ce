//! What can be asked for.

use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::{
    Outcome, cluster,
    fanout::{self, Plan},
    figures::Figures,
    foretold, grow, idle,
    model::{Coefficients, Demand},
    peers::Peer,
    process,
    publish::{self, part},
    relay, stop, storm,
    town::Town,
};

/// What chats cost, side by side, and how Chorus's own cost grows.
#[derive(Debug, Parser)]
#[command(name = "./bench/run")]
struct Cli {
    #[command(subcommand)]
    part: Part,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// All three comparisons: peers-fanout, peers-idle, peers-storm
    Peers(Compared),
    /// CPU per delivery with one and with eight messages in flight, and times at half load
    PeersFanout(Compared),
    /// Memory of idle sockets, and CPU until one is in
    PeersIdle(Compared),
    /// What a room feels while thousands come
    PeersStorm(Compared),
    /// How the cost grows: members, rooms, and idle sockets of one node
    Grow(Grown),
    /// What a message costs one, two and three nodes with Redis and PostgreSQL
    Nodes(Clusters),
    /// Events a second to a RabbitMQ, and what that costs those who chat
    Relay(Relayed),
    /// What the measured coefficients say for a demand
    Model(Asked),
    /// Writes the tables and plots of bench/figures.json anew
    Render,
}

/// What all measurements take.
#[derive(Debug, Args)]
struct Run {
    /// How often everybody has a turn; figures are medians of it
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Keep the figures and write tables and plots of them, instead of printing them
    #[arg(long)]
    publish: bool,
}

#[derive(Debug, Args)]
struct Compared {
    #[command(flatten)]
    run: Run,
    /// Whom to compare; all by default
    #[arg(long, value_delimiter = ',')]
    peers: Vec<String>,
    /// Members of the room, one size after the other
    #[arg(long, value_delimiter = ',', default_values_t = [1000, 5000])]
    members: Vec<usize>,
    /// Deliveries of each load; fewer are quicker and less exact
    #[arg(long, default_value_t = 200_000)]
    deliveries: usize,
    /// Sockets that are idle, or come in a storm
    #[arg(long, default_value_t = 10_000)]
    sockets: usize,
}

#[derive(Debug, Args)]
struct Grown {
    #[command(flatten)]
    run: Run,
    /// Members of one room, one size after the other
    #[arg(long, value_delimiter = ',', default_values_t = [10, 100, 1000, 5000, 10_000, 15_000])]
    members: Vec<usize>,
    /// Rooms that members are spread over, one number after the other
    #[arg(long, value_delimiter = ',', default_values_t = [10, 100, 1000])]
    rooms: Vec<usize>,
    /// How many members are spread over them, one number after the other
    #[arg(long, value_delimiter = ',', default_values_t = [1000, 10_000])]
    spread: Vec<usize>,
}

#[derive(Debug, Args)]
struct Clusters {
    #[command(flatten)]
    run: Run,
    /// Nodes, one size after the other
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2, 3])]
    nodes: Vec<usize>,
}

#[derive(Debug, Args)]
struct Relayed {
    #[command(flatten)]
    run: Run,
    /// How much of the servers' core those who chat keep busy without a broker, from 0 to 1
    #[arg(long, default_value_t = 0.5)]
    load: f64,
}

#[derive(Debug, Args)]
struct Asked {
    /// Sockets
    #[arg(long, default_value_t = publish::DEMAND.connections)]
    connections: f64,
    /// Messages said a second
    #[arg(long, default_value_t = publish::DEMAND.messages)]
    messages: f64,
    /// Members of a room, one size beside the other
    #[arg(long, value_delimiter = ',', default_values_t = foretold::ROOMS)]
    rooms: Vec<f64>,
    /// Seconds that a socket lasts
    #[arg(long, default_value_t = publish::DEMAND.stay)]
    stay: f64,
    /// Cores of a node
    #[arg(long, default_value_t = publish::DEMAND.cores)]
    cores: f64,
    /// Cores of the database
    #[arg(long, default_value_t = publish::DEMAND.database_cores)]
    database_cores: f64,
    /// How much of a core is used before another one is wanted, from 0 to 1
    #[arg(long, default_value_t = publish::DEMAND.busy)]
    busy: f64,
    /// Seconds that a commit takes
    #[arg(long, default_value_t = publish::DEMAND.commit)]
    commit: f64,
}

/// Does what the command line says.
pub fn run() -> Outcome {
    let asked = Cli::parse().part;
    stop::listen()?;
    process::take_own_core()?;
    match asked {
        Part::Peers(asked) => compare(&asked, [true; 3]),
        Part::PeersFanout(asked) => compare(&asked, [true, false, false]),
        Part::PeersIdle(asked) => compare(&asked, [false, true, false]),
        Part::PeersStorm(asked) => compare(&asked, [false, false, true]),
        Part::Grow(asked) => grown(&asked),
        Part::Nodes(asked) => {
            let measured = part(cluster::run(&asked.nodes, asked.run.rounds)?);
            publish::show(Figures { cluster: Some(measured), ..Figures::default() }, asked.run.publish)
        }
        Part::Relay(asked) => {
            let (backlog, beside) = relay::run(asked.run.rounds, asked.load)?;
            let (backlog, beside) = (Some(part(backlog)), Some(part(beside)));
            publish::show(Figures { backlog, beside, ..Figures::default() }, asked.run.publish)
        }
        Part::Model(asked) => foretell(&asked),
        Part::Render => publish::render(&publish::kept()?),
    }
}

fn compare(asked: &Compared, [fanout, idle, storm]: [bool; 3]) -> Outcome {
    let peers = match &asked.peers[..] {
        [] => Peer::ALL.to_vec(),
        keys => keys.iter().map(|key| Peer::by_key(key)).collect::<Outcome<_>>()?,
    };
    let most = asked.members.iter().copied().filter(|_| fanout);
    let most = most
        .chain(idle.then_some(asked.sockets))
        .chain(storm.then(|| storm::people(asked.sockets)));
    let most = most.max().unwrap_or_default();
    let known = peers.iter().any(|it| it.knows_people());
    let town = known.then(|| Town::of(most)).transpose()?;
    let (rounds, town) = (asked.run.rounds, town.as_ref());
    let mut measured = Figures::default();
    if fanout {
        let mut all = Vec::new();
        for members in &asked.members {
            let plan = Plan {
                peers: peers.clone(),
                members: *members,
                rounds,
                deliveries: asked.deliveries,
                half_load: (*members <= 1000).then_some(Duration::from_secs(4)),
            };
            all.extend(unless_stopped(!all.is_empty(), fanout::run(&plan, town))?.into_iter().flatten());
        }
        measured.fanout = Some(part(all));
    }
    if idle {
        let all = idle::run(&peers, asked.sockets, rounds, town);
        measured.idle = unless_stopped(fanout, all)?.map(part);
    }
    if storm {
        let all = storm::run(&peers, asked.sockets, rounds, town);
        measured.storm = unless_stopped(fanout || idle, all)?.map(part);
    }
    publish::show(measured, asked.run.publish)
}

/// What was measured; nothing when somebody asked for the end before its first round was whole, and
/// something was measured before it.
fn unless_stopped<T>(something_before: bool, measured: Outcome<T>) -> Outcome<Option<T>> {
    match measured {
        Err(_) if something_before && stop::asked() => Ok(None),
        measured => measured.map(Some),
    }
}

fn grown(asked: &Grown) -> Outcome {
    let mut sizes: Vec<grow::Size> = asked.members.iter().map(|members| (*members, 1)).collect();
    for members in &asked.spread {
        sizes.extend(asked.rooms.iter().map(|rooms| (*members, *rooms)));
    }
    let most = sizes.iter().map(|it| it.0).max().unwrap_or_default();
    let town = Town::of(most)?;
    let measured = part(grow::run(&sizes, asked.run.rounds, &town)?);
    publish::show(Figures { grow: Some(measured), ..Figures::default() }, asked.run.publish)
}

fn foretell(asked: &Asked) -> Outcome {
    let coefficients = Coefficients::of(&publish::kept()?)?;
    let demand = Demand {
        connections: asked.connections,
        messages: asked.messages,
        stay: asked.stay,
        cores: asked.cores,
        database_cores: asked.database_cores,
        busy: asked.busy,
        commit: asked.commit,
        ..publish::DEMAND
    };
    println!("{}", foretold::coefficients(&coefficients));
    println!("{}", foretold::answers(&coefficients, &demand, &asked.rooms));
    Ok(())
}
