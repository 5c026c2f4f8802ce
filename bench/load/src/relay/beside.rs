//! What those who chat feel of a broker: the same few people at the same pace, each time on a fresh node, in turn
//! without a broker, with those that take everything, and with those that do not.

use std::time::Duration;

use super::servers::{Node, Servers};
use crate::{
    Outcome,
    crowd::{Crowd, SETTLED},
    figures::Beside,
    pace::Pace,
    process::free_port,
    report::{step, turn},
    speech::Speech,
    stats::digits,
    town::signed_in,
};

/// Members of the room.
const MEMBERS: usize = 10;
/// What is said before anything is measured, one after the other.
const WARM: usize = 300;
/// What is said to find out what a message costs, one after the other.
const TRIED: usize = 500;
/// How long a turn lasts.
const LASTS: Duration = Duration::from_secs(5);

/// What a broker does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// The node knows of none.
    None,
    /// It takes what it is told, into its memory: the disk is PostgreSQL's alone.
    Takes,
    /// It takes it into a durable queue, on the disk that PostgreSQL has, too.
    Syncs,
    /// Nobody listens where it should be.
    Gone,
    /// It stops in the middle of the conversation, and its lines stay.
    Frozen,
}

impl State {
    const ALL: [Self; 5] = [Self::None, Self::Takes, Self::Syncs, Self::Gone, Self::Frozen];

    const fn name(self) -> &'static str {
        match self {
            Self::None => "no broker",
            Self::Takes => "RabbitMQ takes it",
            Self::Syncs => "onto the same disk",
            Self::Gone => "nobody is there",
            Self::Frozen => "RabbitMQ is frozen",
        }
    }

    const fn database(self) -> &'static str {
        match self {
            Self::None => "beside_none",
            Self::Takes => "beside_takes",
            Self::Syncs => "beside_syncs",
            Self::Gone => "beside_gone",
            Self::Frozen => "beside_frozen",
        }
    }
}

/// A chat beside one state of the broker.
pub(super) struct Chat {
    state: State,
    people: Vec<String>,
    amqp: Option<String>,
}

/// Nothing measured yet.
pub(super) fn none() -> Vec<Beside> {
    State::ALL.map(|state| Beside::of(state.name())).into()
}

/// One for each state, with its people.
pub(super) fn chats(servers: &Servers) -> Outcome<Vec<Chat>> {
    let made = State::ALL.iter().map(|state| {
        servers.make(state.database(), *state == State::Syncs)?;
        let node = servers.node(state.database(), None)?;
        let amqp = match state {
            State::None => None,
            State::Takes | State::Syncs | State::Frozen => Some(servers.amqp().to_owned()),
            State::Gone => Some(format!("amqp://guest:guest@{}/%2f", free_port()?)),
        };
        let people = signed_in(&[node.door], MEMBERS)?;
        Ok(Chat { state: *state, people, amqp })
    });
    made.collect()
}

/// Messages a second that keep this share of the servers' core busy without a broker, by what one costs that is alone.
pub(super) fn rate(servers: &Servers, chats: &[Chat], load: f64) -> Outcome<f64> {
    let chat = chats.first().ok_or("no chat")?;
    let (node, mut crowd) = chat.begin(servers)?;
    let before = servers.spent(&node)?;
    one_after_the_other(&mut crowd, TRIED)?;
    let [of_node, postgres, _] = servers.spent(&node)?.each_since(before, TRIED as f64);
    let rate = load * 1e6 / (of_node + postgres);
    step(&format!("a load of {load} is {} messages a second", digits(rate)));
    Ok(rate)
}

/// Its turn in a round.
pub(super) fn turn_of(servers: &Servers, chat: &Chat, rate: f64, figures: &mut Beside) -> Outcome {
    let name = chat.state.name();
    turn(name, figures, |figures| chat.measured(servers, rate, figures))?;
    let last = |list: &[f64]| list.last().map_or_else(String::new, |it| digits(*it));
    step(&format!(
        "{name}: acknowledged p50 {} ms, p99 {} ms; heard p50 {} ms, p99 {} ms; {} + {} + {} µs a message",
        last(&figures.acked.p50),
        last(&figures.acked.p99),
        last(&figures.heard.p50),
        last(&figures.heard.p99),
        last(&figures.node),
        last(&figures.postgres),
        last(&figures.rabbitmq)
    ));
    Ok(())
}

impl Chat {
    /// A fresh node with everybody in the room, after the first messages, once its relay is as it will be.
    fn begin(&self, servers: &Servers) -> Outcome<(Node, Crowd)> {
        let node = servers.node(self.state.database(), self.amqp.as_deref())?;
        match self.state {
            State::None => {}
            State::Gone => node.awaits("leading", 1.0)?,
            State::Takes | State::Syncs | State::Frozen => node.awaits("connected", 1.0)?,
        }
        let mut crowd = Crowd::of(Speech::Chorus, vec![node.door], vec!["lobby".to_owned()])?;
        crowd.enter(self.people.iter().map(|it| (it.as_str(), 0)))?;
        one_after_the_other(&mut crowd, WARM)?;
        if matches!(self.state, State::Takes | State::Syncs | State::Frozen) {
            // What the turn before has left is told as well.
            node.awaits("lag_messages", 0.0)?;
            servers.broker()?.purge(self.state.database())?;
        }
        crowd.settle(SETTLED)?;
        Ok((node, crowd))
    }

    fn measured(&self, servers: &Servers, rate: f64, figures: &mut Beside) -> Outcome {
        let (node, mut crowd) = self.begin(servers)?;
        let frozen = (self.state == State::Frozen).then(|| servers.freeze()).transpose()?;
        let pace = Pace::of(rate, LASTS);
        let before = servers.spent(&node)?;
        let times = crowd.paced(pace, |_| Ok(false))?;
        let spent = servers.spent(&node)?.each_since(before, pace.times as f64);
        drop(frozen);
        figures.rate.push(rate);
        figures.acked.add(&times.acked);
        figures.heard.add(&times.heard);
        let [of_node, postgres, rabbitmq] = spent;
        figures.node.push(of_node);
        figures.postgres.push(postgres);
        figures.rabbitmq.push(rabbitmq);
        Ok(())
    }
}

/// Somebody says something, everybody hears it, the next one speaks.
fn one_after_the_other(crowd: &mut Crowd, count: usize) -> Outcome {
    for speaker in 0..count {
        crowd.burst([speaker])?;
    }
    Ok(())
}
