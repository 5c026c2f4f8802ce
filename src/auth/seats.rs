//! The sockets of this node by sign-in: what closes when a sign-in ends.
//!
//! A coming socket takes its seat BEFORE its credential is checked. So an end that happens while
//! it is being checked finds the seat, and the socket is closed the moment it sits down; there is
//! no instant in which an end could be missed.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use parking_lot::Mutex;

use crate::domain::{SignInId, Timestamp};
use crate::hub::Member;

/// The close code of a sign-in that ended.
pub const CLOSE_SESSION_ENDED: u16 = 4001;
/// The reason beside it.
pub const REASON_SESSION_ENDED: &str = "session_ended";

/// A socket that can be told to close. It must not wait, nor call back into the seats.
pub trait Closes: Send + Sync {
    /// Sends what is queued and this close frame, then ends.
    fn close(&self, code: u16, reason: &'static str);
}

impl Closes for Member {
    fn close(&self, code: u16, reason: &'static str) {
        Self::close(self, code, reason);
    }
}

/// All seats of this node.
#[derive(Default)]
pub struct Seats {
    rows: Mutex<HashMap<SignInId, Row>>,
    numbers: AtomicU64,
}

/// The seats of one sign-in; there is at least one.
struct Row {
    /// When the sign-in ends unless it is renewed; `MAX` until its credential was checked.
    expires_at: Timestamp,
    seats: Vec<(u64, Sitting)>,
}

enum Sitting {
    /// The credential is being checked, or the upgrade is under way.
    Coming,
    /// As before, but the sign-in has ended meanwhile.
    Ended,
    /// The socket is open.
    Here(Arc<dyn Closes>),
}

/// One socket's seat. Dropping it gives it up.
pub struct Seat {
    seats: Arc<Seats>,
    sid: SignInId,
    number: u64,
}

impl Seats {
    /// Takes a seat for a socket that is coming. To be called before its credential is checked.
    pub fn register(self: &Arc<Self>, sid: SignInId) -> Seat {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let mut rows = self.rows.lock();
        let row = rows.entry(sid).or_insert_with(|| Row {
            expires_at: Timestamp(i64::MAX),
            seats: Vec::with_capacity(1),
        });
        row.seats.push((number, Sitting::Coming));
        drop(rows);
        Seat { seats: self.clone(), sid, number }
    }

    /// Closes all sockets of a sign-in, also those that are just coming.
    pub fn end(&self, sid: SignInId) {
        self.end_if(sid, |_| true);
    }

    /// Moves a sign-in's end. It never moves back: renewals may arrive in any order.
    pub fn prolong(&self, sid: SignInId, expires_at: Timestamp) {
        if let Some(row) = self.rows.lock().get_mut(&sid) {
            row.learn(expires_at);
        }
    }

    /// The sign-ins whose end has come.
    pub fn expired(&self, now: Timestamp) -> Vec<SignInId> {
        let rows = self.rows.lock();
        rows.iter().filter(|(_, row)| row.expires_at.0 <= now.0).map(|(sid, _)| *sid).collect()
    }

    /// Closes the sockets of a sign-in unless it was prolonged meanwhile.
    pub fn end_expired(&self, sid: SignInId, now: Timestamp) {
        self.end_if(sid, |row| row.expires_at.0 <= now.0);
    }

    /// All sign-ins that have a seat.
    pub fn sign_ins(&self) -> Vec<SignInId> {
        self.rows.lock().keys().copied().collect()
    }

    /// How many sign-ins have a seat.
    pub fn len(&self) -> usize {
        self.rows.lock().len()
    }

    /// Whether nobody has a seat.
    pub fn is_empty(&self) -> bool {
        self.rows.lock().is_empty()
    }

    fn end_if(&self, sid: SignInId, condition: impl Fn(&Row) -> bool) {
        let mut closing = Vec::new();
        if let Some(row) = self.rows.lock().get_mut(&sid)
            && condition(row)
        {
            for (_, sitting) in &mut row.seats {
                if let Sitting::Here(socket) = std::mem::replace(sitting, Sitting::Ended) {
                    closing.push(socket);
                }
            }
        }
        // Outside the lock: closing takes the socket's own.
        for socket in closing {
            socket.close(CLOSE_SESSION_ENDED, REASON_SESSION_ENDED);
        }
    }

    fn leave(&self, sid: SignInId, number: u64) {
        let mut rows = self.rows.lock();
        if let Some(row) = rows.get_mut(&sid) {
            row.seats.retain(|(n, _)| *n != number);
            if row.seats.is_empty() {
                rows.remove(&sid);
            }
        }
    }
}

impl Row {
    /// The first checked credential says when the sign-in ends; later ones can only prolong it.
    fn learn(&mut self, expires_at: Timestamp) {
        if self.expires_at.0 == i64::MAX || expires_at > self.expires_at {
            self.expires_at = expires_at;
        }
    }
}

impl Seat {
    /// The sign-in it belongs to.
    pub const fn sid(&self) -> SignInId {
        self.sid
    }

    /// The credential was checked: the sign-in lasts until then.
    pub fn checked(&self, expires_at: Timestamp) {
        self.seats.prolong(self.sid, expires_at);
    }

    /// The socket is open. If the sign-in has ended meanwhile it is closed at once.
    pub fn attach<S: Closes + 'static>(&self, socket: &Arc<S>) {
        let ended = {
            let mut rows = self.seats.rows.lock();
            let row = rows.get_mut(&self.sid);
            let sitting = row.and_then(|row| row.seats.iter_mut().find(|(n, _)| *n == self.number));
            match sitting {
                Some((_, coming @ Sitting::Coming)) => {
                    *coming = Sitting::Here(socket.clone());
                    false
                }
                _ => true,
            }
        };
        if ended {
            socket.close(CLOSE_SESSION_ENDED, REASON_SESSION_ENDED);
        }
    }

    /// Whether the sign-in has ended since the seat was taken.
    pub fn has_ended(&self) -> bool {
        let rows = self.seats.rows.lock();
        let seats = rows.get(&self.sid).map(|row| &row.seats);
        let sitting = seats.and_then(|seats| seats.iter().find(|(n, _)| *n == self.number));
        !matches!(sitting, Some((_, Sitting::Coming | Sitting::Here(_))))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.leave(self.sid, self.number);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Default)]
    struct Socket(Mutex<Vec<u16>>);

    impl Closes for Socket {
        fn close(&self, code: u16, _: &'static str) {
            self.0.lock().push(code);
        }
    }

    impl Socket {
        fn closes(&self) -> Vec<u16> {
            self.0.lock().clone()
        }
    }

    fn seated(seats: &Arc<Seats>, sid: SignInId, expires_at: i64) -> (Seat, Arc<Socket>) {
        let (seat, socket) = (seats.register(sid), Arc::new(Socket::default()));
        seat.checked(Timestamp(expires_at));
        seat.attach(&socket);
        (seat, socket)
    }

    #[test]
    fn an_end_closes_all_sockets_of_that_sign_in_alone() {
        let seats = Arc::new(Seats::default());
        let (a, b) = (SignInId::random(), SignInId::random());
        let (_a1, first) = seated(&seats, a, 100);
        let (_a2, second) = seated(&seats, a, 100);
        let (_b1, other) = seated(&seats, b, 100);
        seats.end(a);
        seats.end(a);
        assert_eq!(
            (first.closes(), second.closes(), other.closes()),
            (vec![4001], vec![4001], vec![])
        );
    }

    #[test]
    fn an_end_during_the_check_closes_the_socket_that_comes() {
        let seats = Arc::new(Seats::default());
        let seat = seats.register(SignInId::random());
        assert!(!seat.has_ended());
        seats.end(seat.sid());
        assert!(seat.has_ended());
        let socket = Arc::new(Socket::default());
        seat.attach(&socket);
        assert_eq!(socket.closes(), [4001]);
    }

    #[test]
    fn expiry_ends_unless_prolonged() {
        let seats = Arc::new(Seats::default());
        let sid = SignInId::random();
        let (_seat, socket) = seated(&seats, sid, 100);
        assert!(seats.expired(Timestamp(99)).is_empty());
        seats.prolong(sid, Timestamp(200));
        seats.prolong(sid, Timestamp(150));
        seats.end_expired(sid, Timestamp(199));
        assert!(socket.closes().is_empty());
        assert_eq!(seats.expired(Timestamp(200)), [sid]);
        seats.end_expired(sid, Timestamp(200));
        assert_eq!(socket.closes(), [4001]);
    }

    /// A seat, its socket, whether that was attached, whether the sign-in has ended.
    type Slot = Option<(Seat, Arc<Socket>, bool, bool)>;

    proptest! {
        /// Whatever the order of coming, sitting down, ending and leaving: a socket is closed
        /// exactly when its sign-in ended after its seat was taken, and nothing is left behind.
        #[test]
        fn no_end_is_missed(steps in prop::collection::vec((0usize..4, 0usize..6), 0..60)) {
            let seats = Arc::new(Seats::default());
            let sids = [SignInId::random(), SignInId::random()];
            let mut slots: [Slot; 6] = Default::default();
            for (step, slot) in steps {
                let sid = sids[slot % 2];
                match step {
                    0 => slots[slot] = Some((seats.register(sid), Arc::default(), false, false)),
                    1 => if let Some((seat, socket, attached, _)) = &mut slots[slot] && !*attached {
                        seat.attach(socket);
                        *attached = true;
                    },
                    2 => {
                        seats.end(sid);
                        slots.iter_mut().flatten().filter(|s| s.0.sid() == sid).for_each(|s| s.3 = true);
                    }
                    _ => slots[slot] = None,
                }
                for (_, socket, attached, ended) in slots.iter().flatten() {
                    prop_assert_eq!(socket.closes().len(), usize::from(*attached && *ended));
                }
            }
            drop(slots);
            prop_assert!(seats.is_empty());
        }
    }
}
