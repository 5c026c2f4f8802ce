//! Sockets that were asked to go to another node, and must not come back here: a balancer that keeps
//! people on their node would bring each of them straight back.
//!
//! Pure. A node that has enough sends each on once, so that a balancer asks the next node; whoever comes
//! again after that has found no other, and may come in.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use crate::domain::SignInId;

/// Most sign-ins that are remembered; more are let in as always.
const MOST: usize = 100_000;

/// Who is to be sent on.
#[derive(Debug, Default)]
pub struct Moves(Mutex<HashMap<SignInId, Move>>);

/// The sockets of one sign-in.
#[derive(Debug, Clone, Copy)]
struct Move {
    /// So many.
    sockets: u32,
    until: Instant,
    /// With so many sockets this node has enough.
    enough: u64,
}

impl Moves {
    /// While this node has `enough` sockets or more, it sends on as many sockets of each sign-in as there are
    /// entries of it, within that time.
    pub fn send_on(
        &self,
        now: Instant,
        within: Duration,
        enough: u64,
        sids: impl IntoIterator<Item = SignInId>,
    ) {
        let until = now + within;
        let mut moves = self.0.lock();
        moves.retain(|_, known| known.until > now);
        for sid in sids {
            if moves.len() < MOST || moves.contains_key(&sid) {
                let known = moves.entry(sid).or_insert(Move { sockets: 0, until, enough });
                known.sockets += 1;
                // What was said last is how it is now.
                (known.until, known.enough) = (until.max(known.until), enough);
            }
        }
    }

    /// Whether a socket of this sign-in that comes now is to go elsewhere, when there are `here` already.
    pub fn sends_on(&self, now: Instant, sid: SignInId, here: u64) -> bool {
        let mut moves = self.0.lock();
        let Some(known) = moves.get_mut(&sid) else { return false };
        let is_sent = known.until > now && here >= known.enough;
        known.sockets -= 1;
        if known.sockets == 0 || known.until <= now {
            moves.remove(&sid);
        }
        is_sent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WITHIN: Duration = Duration::from_secs(30);

    #[test]
    fn each_socket_is_sent_on_once() {
        let (moves, now) = (Moves::default(), Instant::now());
        let (two_tabs, one_tab) = (SignInId::random(), SignInId::random());
        moves.send_on(now, WITHIN, 0, [two_tabs, one_tab, two_tabs]);
        assert!(moves.sends_on(now, two_tabs, 7) && moves.sends_on(now, two_tabs, 0));
        assert!(!moves.sends_on(now, two_tabs, 7), "it found no other node");
        assert!(moves.sends_on(now, one_tab, 7) && !moves.sends_on(now, one_tab, 7));
        assert!(!moves.sends_on(now, SignInId::random(), 7));
    }

    #[test]
    fn only_a_node_that_has_enough_sends_anybody_on() {
        let (moves, now) = (Moves::default(), Instant::now());
        let (first, second) = (SignInId::random(), SignInId::random());
        moves.send_on(now, WITHIN, 4, [first, second]);
        assert!(!moves.sends_on(now, first, 3), "there is room for one");
        assert!(moves.sends_on(now, second, 4), "and now there is none");
        moves.send_on(now, WITHIN, 4, [first]);
        moves.send_on(now, WITHIN, 9, [first]);
        assert!(!moves.sends_on(now, first, 8), "what was said last counts");
    }

    #[test]
    fn whoever_did_not_go_in_time_is_forgotten() {
        let (moves, now) = (Moves::default(), Instant::now());
        let (late, later) = (SignInId::random(), SignInId::random());
        moves.send_on(now, WITHIN, 0, [late, later]);
        assert!(!moves.sends_on(now + WITHIN, late, 7));
        moves.send_on(now + WITHIN, WITHIN, 0, []);
        assert!(moves.0.lock().is_empty());
    }
}
