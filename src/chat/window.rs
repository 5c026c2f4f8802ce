//! How many messages a person may send in a time: a sliding window that belongs to the person,
//! so that neither a reconnect nor a second tab gives a new one.
//!
//! [`RateWindow`] is pure. It promises that in no stretch of the window's length more than
//! `limit` messages are admitted on one node, and none while those that other nodes have told of
//! fill the limit. Nodes tell each other twice a second, off the way of the messages; without the
//! cluster each counts for itself.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use super::clock;
use crate::{cluster::Spoken, domain::UserId};

/// How many times the limit may be given back in one window.
const RETURNS: usize = 10;

/// The limit: so many messages in so long.
#[derive(Debug, Clone, Copy)]
pub struct WindowLimit {
    /// Messages admitted in one window.
    pub messages: usize,
    /// The window's length.
    pub window: Duration,
}

/// Whether a message may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Yes. The moment names the place it took, for [`RateWindow::give_back`].
    Admitted(Instant),
    /// Not before so long.
    Limited(Duration),
    /// More than three times the limit was tried in one window: this is no person.
    Excess,
}

/// One person's window.
#[derive(Debug, Default)]
pub struct RateWindow {
    admitted: VecDeque<Instant>,
    refused: VecDeque<Instant>,
    /// Places that were given back.
    returned: VecDeque<Instant>,
    /// What other nodes admitted, as they told it last; ascending.
    elsewhere: VecDeque<Instant>,
}

impl RateWindow {
    /// Asks for a place at `now`.
    pub fn admit(&mut self, now: Instant, limit: WindowLimit) -> Admission {
        self.forget(now, limit.window);
        if self.admitted.len() + self.refused.len() >= limit.messages * 3 {
            return Admission::Excess;
        }
        if let Some(first) = self.returned.front().filter(|_| self.returned.len() >= limit.messages * RETURNS)
        {
            return Admission::Limited((*first + limit.window).saturating_duration_since(now));
        }
        if self.admitted.len() + self.elsewhere.len() < limit.messages {
            self.admitted.push_back(now);
            return Admission::Admitted(now);
        }
        self.refused.push_back(now);
        let frees = self.frees(limit.messages).unwrap_or(now);
        Admission::Limited((frees + limit.window).saturating_duration_since(now))
    }

    /// When the place was taken whose end makes room for another, if all are taken. It is not the
    /// oldest if nodes that had not heard of each other admitted more than the limit: all that are
    /// too many have to end as well.
    fn frees(&self, messages: usize) -> Option<Instant> {
        let mut taken: Vec<Instant> = self.admitted.iter().chain(&self.elsewhere).copied().collect();
        taken.sort_unstable();
        taken.get(taken.len().checked_sub(messages)?).copied()
    }

    /// How long ago each place that is taken here was taken.
    pub fn spoken(&self, now: Instant) -> Vec<Duration> {
        self.admitted.iter().map(|at| now.saturating_duration_since(*at)).collect()
    }

    /// Other nodes have admitted this, so long ago each. Replaces what they told before.
    pub fn heard(&mut self, now: Instant, ages: &[Duration]) {
        let times = ages.iter().filter_map(|age| now.checked_sub(*age));
        self.elsewhere = times.collect();
        self.elsewhere.make_contiguous().sort_unstable();
    }

    /// Gives a place back: what took it turned out to be committed before. Sending the same for
    /// ever is not free all the same: after [`RETURNS`] windows' worth it has to wait.
    pub fn give_back(&mut self, place: Instant) {
        if let Some(at) = self.admitted.iter().position(|taken| *taken == place) {
            self.admitted.remove(at);
            let later = self.returned.partition_point(|other| *other <= place);
            self.returned.insert(later, place);
        }
    }

    /// Whether nothing of the window is left at `now`.
    pub fn is_idle(&mut self, now: Instant, window: Duration) -> bool {
        self.forget(now, window);
        let times = [&self.admitted, &self.refused, &self.returned, &self.elsewhere];
        times.iter().all(|times| times.is_empty())
    }

    fn forget(&mut self, now: Instant, window: Duration) {
        let Self { admitted, refused, returned, elsewhere } = self;
        for times in [admitted, refused, returned, elsewhere] {
            while times.front().is_some_and(|at| now.saturating_duration_since(*at) >= window) {
                times.pop_front();
            }
        }
    }
}

/// The windows of everybody who spoke lately on this node.
#[derive(Debug)]
pub struct Windows {
    window: Duration,
    of: Mutex<HashMap<UserId, RateWindow>>,
}

impl Windows {
    /// Nobody has spoken yet. All windows have this length.
    pub fn new(window: Duration) -> Self {
        Self { window, of: Mutex::default() }
    }

    /// The length of a window.
    pub const fn length(&self) -> Duration {
        self.window
    }

    /// Asks for a place in `user`'s window, which has room for so many messages.
    pub fn admit(&self, user: UserId, messages: usize) -> Admission {
        let limit = WindowLimit { messages, window: self.window };
        self.of.lock().entry(user).or_default().admit(clock::now(), limit)
    }

    /// Gives a place back.
    pub fn give_back(&self, user: UserId, place: Instant) {
        if let Some(window) = self.of.lock().get_mut(&user) {
            window.give_back(place);
        }
    }

    /// What everybody who spoke lately sent here, for the other nodes.
    pub fn spoken(&self) -> Vec<Spoken> {
        let now = clock::now();
        self.of.lock().iter().map(|(user, window)| (*user, window.spoken(now))).collect()
    }

    /// What the other nodes admitted of these people.
    pub fn heard(&self, spoken: &[Spoken], elsewhere: &[Vec<Duration>]) {
        let now = clock::now();
        let mut windows = self.of.lock();
        for ((user, _), ages) in spoken.iter().zip(elsewhere) {
            if let Some(window) = windows.get_mut(user) {
                window.heard(now, ages);
            }
        }
    }

    /// Forgets those who have been silent for a window; called often, so that the map is no larger
    /// than the people who spoke lately.
    pub fn sweep(&self) {
        let now = clock::now();
        self.of.lock().retain(|_, window| !window.is_idle(now, self.window));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMIT: WindowLimit = WindowLimit { messages: 20, window: Duration::from_secs(10) };

    #[test]
    fn the_21st_waits_until_the_first_is_out_of_the_window() {
        let mut window = RateWindow::default();
        let start = Instant::now();
        for n in 0..20 {
            let now = start + Duration::from_millis(n * 100);
            assert_eq!(window.admit(now, LIMIT), Admission::Admitted(now));
        }
        let now = start + Duration::from_secs(4);
        assert_eq!(window.admit(now, LIMIT), Admission::Limited(Duration::from_secs(6)));
        assert!(matches!(
            window.admit(start + Duration::from_secs(10), LIMIT),
            Admission::Admitted(_)
        ));
    }

    #[test]
    fn three_times_the_limit_is_excess() {
        let mut window = RateWindow::default();
        let now = Instant::now();
        let answers: Vec<_> = (0..61).map(|_| window.admit(now, LIMIT)).collect();
        assert_eq!(answers.iter().filter(|a| matches!(a, Admission::Admitted(_))).count(), 20);
        assert_eq!(answers.iter().filter(|a| matches!(a, Admission::Limited(_))).count(), 40);
        assert_eq!(answers[60], Admission::Excess);
    }

    #[test]
    fn a_place_given_back_can_be_taken_again() {
        let mut window = RateWindow::default();
        let now = Instant::now();
        for _ in 0..20 {
            window.admit(now, LIMIT);
        }
        window.give_back(now);
        assert_eq!(window.admit(now, LIMIT), Admission::Admitted(now));
        assert!(matches!(window.admit(now, LIMIT), Admission::Limited(_)));
    }

    #[test]
    fn sending_the_same_for_ever_has_to_wait() {
        let mut window = RateWindow::default();
        let now = Instant::now();
        for _ in 0..200 {
            assert_eq!(window.admit(now, LIMIT), Admission::Admitted(now));
            window.give_back(now);
        }
        assert_eq!(window.admit(now, LIMIT), Admission::Limited(LIMIT.window));
        assert!(matches!(window.admit(now + LIMIT.window, LIMIT), Admission::Admitted(_)));
    }

    #[test]
    fn another_node_gives_no_new_window() {
        let (mut here, mut there) = (RateWindow::default(), RateWindow::default());
        let start = Instant::now();
        for _ in 0..20 {
            here.admit(start, LIMIT);
        }
        let now = start + Duration::from_secs(1);
        assert_eq!(there.admit(now, LIMIT), Admission::Admitted(now), "nothing was told yet");
        there.heard(now, &here.spoken(now));
        assert_eq!(there.admit(now, LIMIT), Admission::Limited(Duration::from_secs(9)));
        assert!(!there.is_idle(now + LIMIT.window / 2, LIMIT.window));
        let later = start + LIMIT.window;
        assert_eq!(there.admit(later, LIMIT), Admission::Admitted(later));
        assert!(there.is_idle(later + LIMIT.window, LIMIT.window));
    }

    #[test]
    fn what_nodes_admitted_too_many_must_end_before_there_is_room() {
        let (mut window, start) = (RateWindow::default(), Instant::now());
        for second in 0..4 {
            for _ in 0..5 {
                window.admit(start + Duration::from_secs(second), LIMIT);
            }
        }
        let now = start + Duration::from_secs(4);
        window.heard(now, &[Duration::from_secs(4); 6]);
        // Eleven are of the beginning, and six of them are too many: room comes with the next end.
        assert_eq!(window.admit(now, LIMIT), Admission::Limited(Duration::from_secs(6)));
        window.heard(now, &[Duration::from_secs(4); 3]);
        window.heard(now, &[Duration::from_millis(500); 6]);
        // Now it is the seventh, which is a second younger.
        assert_eq!(window.admit(now, LIMIT), Admission::Limited(Duration::from_secs(7)));
        let told = now + Duration::from_secs(7);
        assert_eq!(window.admit(told, LIMIT), Admission::Admitted(told), "it was an honest answer");
    }

    #[test]
    fn what_was_told_is_replaced_and_one_s_own_is_never_counted_twice() {
        let mut window = RateWindow::default();
        let now = Instant::now();
        window.heard(now, &[Duration::from_secs(1); 20]);
        assert!(matches!(window.admit(now, LIMIT), Admission::Limited(_)));
        window.heard(now, &[Duration::from_secs(1); 19]);
        assert_eq!(window.admit(now, LIMIT), Admission::Admitted(now));
        assert_eq!(window.spoken(now), [Duration::ZERO], "only one's own is told on");
    }

    #[test]
    fn the_silent_are_forgotten() {
        let windows = Windows::new(Duration::ZERO);
        windows.admit(UserId(1), 1);
        windows.sweep();
        assert!(windows.of.lock().is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn no_stretch_of_a_window_admits_more_than_the_limit(steps in prop::collection::vec(0u64..3000, 1..200)) {
            let mut window = RateWindow::default();
            let mut now = Instant::now();
            let mut admitted: Vec<Instant> = Vec::new();
            for step in steps {
                now += Duration::from_millis(step);
                match window.admit(now, LIMIT) {
                    Admission::Admitted(at) => admitted.push(at),
                    Admission::Limited(wait) => {
                        prop_assert!(wait > Duration::ZERO && wait <= LIMIT.window);
                        prop_assert_eq!(admitted.iter().filter(|at| now - **at < LIMIT.window).count(), 20);
                    }
                    Admission::Excess => {}
                }
                let recent = admitted.iter().filter(|at| now - **at < LIMIT.window).count();
                prop_assert!(recent <= LIMIT.messages);
                prop_assert!(window.refused.len() <= LIMIT.messages * 3);
            }
        }
    }
}
