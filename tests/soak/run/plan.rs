//! What breaks, and when: drawn from a seed alone, so that the same seed breaks the same things in the
//! same order, however fast the machine is.
//!
//! Kinds of faults come as from a deck of cards: each comes up once before any comes up again. Half of the
//! rounds have two faults at once, where one does not undo the other. In a long run one node, which the
//! seed names, is not ended any more after a third of the time: its memory is the line that must be flat.

use std::time::Duration;

use super::fault::{Fault, KINDS, Trouble};
use crate::harness::line::Backoff as Dice;

pub const NODES: usize = 3;
/// How long a round takes, about.
const ROUND: u64 = 20;
/// In a shorter run no node is spared.
const LONG: Duration = Duration::from_mins(4);

/// Some time with faults, between two calm points.
#[derive(Debug)]
pub struct Round {
    pub number: usize,
    pub faults: Vec<Fault>,
    /// How long after the first one the second strikes.
    pub apart: Duration,
    /// How long after the last one all of it is healed.
    pub lasts: Duration,
    /// For what people do meanwhile.
    pub dice: Dice,
}

pub struct Plan {
    seed: u64,
    dice: Dice,
    deck: Vec<usize>,
    rounds: usize,
    /// This node is not ended any more from this round on.
    spared: Option<(usize, usize)>,
}

impl Plan {
    pub fn of(seed: u64, length: Duration) -> Self {
        let mut dice = Dice::of(&format!("soak {seed}"));
        let witness = dice.below(NODES);
        let third = usize::try_from(length.as_secs() / ROUND / 3).unwrap_or(usize::MAX);
        let spared = (length >= LONG).then_some((witness, third));
        Self { seed, dice, deck: vec![], rounds: 0, spared }
    }

    pub fn next_round(&mut self) -> Round {
        let number = self.rounds;
        self.rounds += 1;
        let (_, first) = self.draw();
        let mut faults = vec![first];
        if self.dice.below(2) == 0 {
            let (card, second) = self.draw();
            if second.stands_beside(first) {
                faults.push(second);
            } else {
                self.deck.insert(0, card);
            }
        }
        Round {
            number: number + 1,
            faults,
            apart: self.milliseconds(0, 2_000),
            lasts: self.milliseconds(2_000, 8_000),
            dice: Dice::of(&format!("soak {}, round {number}", self.seed)),
        }
    }

    fn milliseconds(&mut self, from: u64, to: u64) -> Duration {
        let more = usize::try_from(to - from).unwrap_or_default();
        Duration::from_millis(from + self.dice.below(more) as u64)
    }

    /// A card, and what it is this time.
    fn draw(&mut self) -> (usize, Fault) {
        if self.deck.is_empty() {
            self.deck = (0..KINDS).collect();
            // Fisher and Yates.
            for at in (1..KINDS).rev() {
                self.deck.swap(at, self.dice.below(at + 1));
            }
        }
        let kind = self.deck.pop().unwrap_or_default();
        let node = self.dice.below(NODES);
        let trouble = match self.dice.below(5) {
            0 => Trouble::Cut,
            1 => Trouble::Late(self.milliseconds(20, 300)),
            2 => Trouble::Held,
            3 => Trouble::Deaf,
            _ => Trouble::Dumb,
        };
        let spared = self.spared.filter(|(_, from)| self.rounds > *from).map(|(node, _)| node);
        // Whom it would have struck otherwise does not matter: it stays the same by seed.
        let ended = if spared == Some(node) { (node + 1) % NODES } else { node };
        (kind, Fault::of(kind, node, ended, trouble, spared))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn rounds(seed: u64, length: Duration, count: usize) -> Vec<Round> {
        let mut plan = Plan::of(seed, length);
        (0..count).map(|_| plan.next_round()).collect()
    }

    #[test]
    fn a_seed_is_one_plan() {
        let told = |seed| {
            let told = rounds(seed, LONG, 50).into_iter().map(|of| (of.faults, of.apart, of.lasts));
            told.collect::<Vec<_>>()
        };
        assert_eq!(told(7), told(7));
        assert_ne!(told(7), told(8));
    }

    #[test]
    fn everything_breaks_soon_alone_and_beside_others() {
        for seed in 0..20 {
            let rounds = rounds(seed, LONG, 2 * KINDS);
            let kinds: BTreeSet<_> = rounds.iter().flat_map(|of| &of.faults).map(|of| of.kind()).collect();
            assert_eq!(kinds.len(), KINDS, "seed {seed}");
            let pairs = rounds.iter().filter(|of| of.faults.len() == 2).count();
            assert!((5..25).contains(&pairs), "seed {seed}: {pairs}");
        }
    }

    #[test]
    fn after_a_third_of_a_long_run_one_node_is_never_ended() {
        for seed in 0..20 {
            let length = Duration::from_mins(30);
            let rounds = rounds(seed, length, 200);
            let (late, early) = (&rounds[31..], &rounds[..30]);
            let ended = |rounds: &[Round]| {
                let mut ended = BTreeSet::new();
                for fault in rounds.iter().flat_map(|of| &of.faults) {
                    match fault {
                        Fault::NodeKilled(node) | Fault::NodeRestarted(node) => ended.extend([*node]),
                        Fault::AllRestarted(but) => {
                            ended.extend((0..NODES).filter(|node| Some(*node) != *but));
                        }
                        _ => {}
                    }
                }
                ended.len()
            };
            assert_eq!((ended(early), ended(late)), (NODES, NODES - 1), "seed {seed}");
        }
    }
}
