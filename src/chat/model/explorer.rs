//! Explores a small world to its end: every state that any order of what may happen leads to, breadth first, so
//! that the first broken promise is told with the shortest way there.
//!
//! From each state it also lets the world come to rest, by rounds in which nothing goes wrong: within so many all
//! must be as it should be, and stay so.

use std::{
    collections::{HashMap, HashSet},
    fmt::{self, Debug},
    hash::{DefaultHasher, Hasher},
    time::{Duration, Instant},
};

/// A world with few states.
pub(super) trait World: Clone {
    type Act: Clone + Debug;
    /// In how many rounds it must come to rest.
    const ROUNDS: u8;

    /// Everything that may happen next.
    fn acts(&self) -> Vec<Self::Act>;

    /// It happens.
    ///
    /// # Errors
    /// Which promise it breaks.
    fn act(&mut self, act: &Self::Act) -> Result<(), String>;

    /// A round of everything that happens by itself when nothing goes wrong.
    ///
    /// # Errors
    /// Likewise.
    fn rest(&mut self) -> Result<(), String>;

    /// What must not be so when all is at rest.
    fn unsettled(&self) -> Option<String>;

    /// Feeds in all that tells this state from others: what has the same has the same future.
    fn distinguish(&self, tape: &mut Tape);
}

/// How much there was to see.
#[derive(Debug)]
pub(super) struct Explored {
    pub(super) states: usize,
    pub(super) depth: usize,
    pub(super) took: Duration,
    /// The most rounds that any state needed to come to rest.
    pub(super) rounds: u8,
}

impl fmt::Display for Explored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { states, depth, took, rounds } = self;
        write!(
            f,
            "{states} states, {depth} steps deep, at rest within {rounds} rounds, in {took:.1?}"
        )
    }
}

/// A way to a broken promise, the shortest there is.
pub(super) struct Counterexample {
    pub(super) wrong: String,
    pub(super) steps: Vec<String>,
}

impl Debug for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, step) in (1..).zip(&self.steps) {
            write!(f, "\n{n:>4}. {step}")?;
        }
        write!(f, "\n      {}", self.wrong)
    }
}

/// 128 bits of all that tells a state from others: two different ones of a billion fall together with a chance
/// of one in 10^20.
type Print = (u64, u64);

fn print<W: World>(world: &W) -> Print {
    let mut tape = Tape(Vec::with_capacity(512));
    world.distinguish(&mut tape);
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        hasher.write_u8(salt);
        hasher.write(&tape.0);
        hasher.finish()
    };
    (half(0), half(1))
}

/// What is hashed, as it stands.
pub(super) struct Tape(Vec<u8>);

impl Hasher for Tape {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// The tape is hashed when it is whole.
    fn finish(&self) -> u64 {
        0
    }
}

/// What is known of the states that were met.
struct Atlas<W: World> {
    met: HashSet<Print>,
    /// From where, and by what, each state was reached first.
    ways: Vec<(usize, W::Act)>,
    /// How many rounds a state needs to come to rest.
    resting: HashMap<Print, u8>,
    rounds: u8,
}

/// Explores everything.
///
/// # Errors
/// The first broken promise.
pub(super) fn explore<W: World>(start: W) -> Result<Explored, Counterexample> {
    let began = Instant::now();
    let mut atlas = Atlas::<W> {
        met: HashSet::from([print(&start)]),
        ways: Vec::new(),
        resting: HashMap::new(),
        rounds: 0,
    };
    let (mut border, mut depth) = (vec![(start, 0)], 0);
    while !border.is_empty() {
        let mut next = Vec::new();
        for (world, place) in border {
            for act in world.acts() {
                let mut after = world.clone();
                let done = after.act(&act);
                done.map_err(|wrong| atlas.counterexample(place, Some(&act), wrong))?;
                if atlas.met.insert(print(&after)) {
                    atlas.ways.push((place, act));
                    let here = atlas.ways.len();
                    atlas.come_to_rest(&after).map_err(|wrong| atlas.counterexample(here, None, wrong))?;
                    next.push((after, here));
                }
            }
        }
        depth += usize::from(!next.is_empty());
        border = next;
    }
    Ok(Explored {
        states: atlas.met.len(),
        depth,
        took: began.elapsed(),
        rounds: atlas.rounds,
    })
}

impl<W: World> Atlas<W> {
    /// Lets a world come to rest, as far as that is not known.
    fn come_to_rest(&mut self, world: &W) -> Result<(), String> {
        let (mut world, mut way) = (world.clone(), Vec::new());
        let mut left = loop {
            let here = print(&world);
            if let Some(rounds) = self.resting.get(&here) {
                break *rounds;
            }
            if world.unsettled().is_none() {
                self.stays_at_rest(&mut world)?;
                self.resting.insert(here, 0);
                break 0;
            }
            way.push(here);
            if way.len() > usize::from(W::ROUNDS) {
                let wrong = world.unsettled().unwrap_or_default();
                return Err(format!("after {} rounds of rest: {wrong}", W::ROUNDS));
            }
            world.rest()?;
        };
        for here in way.into_iter().rev() {
            left += 1;
            self.resting.insert(here, left);
        }
        self.rounds = self.rounds.max(left);
        if left > W::ROUNDS {
            Err(format!("it takes {left} rounds to come to rest"))
        } else {
            Ok(())
        }
    }

    fn stays_at_rest(&self, world: &mut W) -> Result<(), String> {
        for _ in 0..W::ROUNDS {
            world.rest()?;
            if let Some(wrong) = world.unsettled() {
                return Err(format!("it was at rest, and then {wrong}"));
            }
            if self.resting.get(&print(world)) == Some(&0) {
                break;
            }
        }
        Ok(())
    }

    fn counterexample(&self, mut place: usize, last: Option<&W::Act>, wrong: String) -> Counterexample {
        let mut steps: Vec<String> = last.iter().map(|act| format!("{act:?}")).collect();
        while place > 0 {
            let (before, act) = &self.ways[place - 1];
            steps.push(format!("{act:?}"));
            place = *before;
        }
        steps.reverse();
        Counterexample { wrong, steps }
    }
}

mod tests {
    use std::hash::Hash;

    use super::*;

    /// Two counters that anybody may raise to three. Both at three is wrong, if that is forbidden; at rest both sink.
    #[derive(Clone)]
    struct Counters([u8; 2], bool);

    impl World for Counters {
        type Act = usize;
        const ROUNDS: u8 = 4;

        fn acts(&self) -> Vec<usize> {
            (0..2).filter(|which| self.0[*which] < 3).collect()
        }

        fn act(&mut self, which: &usize) -> Result<(), String> {
            self.0[*which] += 1;
            if self.1 && self.0 == [3, 3] { Err("both".into()) } else { Ok(()) }
        }

        fn rest(&mut self) -> Result<(), String> {
            self.0 = self.0.map(|count| count.saturating_sub(1));
            Ok(())
        }

        fn unsettled(&self) -> Option<String> {
            (self.0 != [0, 0]).then(|| format!("{:?}", self.0))
        }

        fn distinguish(&self, tape: &mut Tape) {
            self.0.hash(tape);
        }
    }

    #[test]
    fn every_state_is_met_once_and_the_way_is_the_shortest() {
        let explored = explore(Counters([0, 0], false)).unwrap();
        assert_eq!((explored.states, explored.depth, explored.rounds), (16, 6, 3));
        let found = explore(Counters([1, 0], true)).unwrap_err();
        assert_eq!((found.steps.len(), &*found.wrong), (5, "both"));
    }

    #[test]
    fn what_never_comes_to_rest_is_told() {
        let found = explore(Counters([200, 2], false)).unwrap_err();
        assert_eq!(found.steps, ["1"]);
        assert!(found.wrong.contains("after 4 rounds"), "{}", found.wrong);
    }
}
