//! Sockets that were asked to go to another node, and must not come back here: a balancer that keeps
//! people on their node would bring each of them straight back.
//!
//! Pure. Each is turned away once, so that a balancer asks the next node; whoever comes again after
//! that has found no other, and may come in.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use crate::domain::SignInId;

/// Most sign-ins that are remembered; more are let in as always.
const MOST: usize = 100_000;

/// Who is to be turned away. How many sockets of each sign-in, and until when.
#[derive(Debug, Default)]
pub struct Moves(Mutex<HashMap<SignInId, (u32, Instant)>>);

impl Moves {
    /// So many sockets as there are entries of each sign-in are turned away within that time.
    pub fn expect(&self, now: Instant, within: Duration, sids: impl IntoIterator<Item = SignInId>) {
        let until = now + within;
        let mut moves = self.0.lock();
        moves.retain(|_, (_, until)| *until > now);
        for sid in sids {
            if moves.len() < MOST || moves.contains_key(&sid) {
                let (count, latest) = moves.entry(sid).or_insert((0, until));
                *count += 1;
                *latest = until.max(*latest);
            }
        }
    }

    /// Whether a socket of this sign-in that comes now is to go elsewhere.
    pub fn turns_away(&self, now: Instant, sid: SignInId) -> bool {
        let mut moves = self.0.lock();
        let Some((count, until)) = moves.get_mut(&sid) else { return false };
        let turned = *until > now;
        *count -= 1;
        if *count == 0 || !turned {
            moves.remove(&sid);
        }
        turned
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WITHIN: Duration = Duration::from_secs(30);

    #[test]
    fn each_socket_is_turned_away_once() {
        let (moves, now) = (Moves::default(), Instant::now());
        let (two_tabs, one_tab) = (SignInId::random(), SignInId::random());
        moves.expect(now, WITHIN, [two_tabs, one_tab, two_tabs]);
        assert!(moves.turns_away(now, two_tabs) && moves.turns_away(now, two_tabs));
        assert!(!moves.turns_away(now, two_tabs), "it found no other node");
        assert!(moves.turns_away(now, one_tab) && !moves.turns_away(now, one_tab));
        assert!(!moves.turns_away(now, SignInId::random()));
    }

    #[test]
    fn whoever_did_not_go_in_time_is_forgotten() {
        let (moves, now) = (Moves::default(), Instant::now());
        let (late, later) = (SignInId::random(), SignInId::random());
        moves.expect(now, WITHIN, [late, later]);
        assert!(!moves.turns_away(now + WITHIN, late));
        moves.expect(now + WITHIN, WITHIN, []);
        assert!(moves.0.lock().is_empty());
    }
}
