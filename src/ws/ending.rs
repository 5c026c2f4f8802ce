//! Why a socket ended, for the metrics.

use super::session::Departure;
use crate::tally::closed_set;

closed_set! {
    /// Who ended a socket, and for what.
    pub(super) enum Ending {
        /// The client said goodbye.
        Client = "client",
        /// The line broke, or nothing came from it any more.
        Lost = "lost",
        /// The node stops, or sends it elsewhere.
        GoingAway = "going_away",
        /// Too much of what is not allowed.
        Policy = "policy",
        /// This node could not go on with it.
        Fault = "fault",
        /// It read too slowly.
        TooSlow = "too_slow",
        /// Its sign-in ended.
        SignInEnded = "sign_in_ended",
        /// What came was no text of this protocol.
        BadFrame = "bad_frame",
    }
    counted as "chorus_sockets_closed_total" by "cause": "Sockets that ended, by cause"
}

impl Ending {
    /// By what the client has said, and the code that it was told.
    pub(super) const fn of(said: Option<Departure>, code: Option<u16>) -> Self {
        match (said, code) {
            (Some(_), _) => Self::Client,
            (None, None) => Self::Lost,
            (None, Some(1001)) => Self::GoingAway,
            (None, Some(1008)) => Self::Policy,
            (None, Some(1011)) => Self::Fault,
            (None, Some(1013)) => Self::TooSlow,
            (None, Some(4001)) => Self::SignInEnded,
            (None, Some(_)) => Self::BadFrame,
        }
    }
}
