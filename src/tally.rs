//! What is refused and what is dropped, by which limit and for which cause.
//!
//! The labels of a metric are closed sets: so that each of them is counted from zero when a node
//! starts, and the first event of a kind is a rise that rates and alerts see.

/// An enum whose variants are the values of a label, and the list of them all. With `counted as METRIC by LABEL`
/// also how they are counted.
macro_rules! closed_set {
    (
        $(#[$meta:meta])* $vis:vis enum $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal,)+ }
        $(counted as $metric:literal by $label:literal: $help:literal)?
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        $vis enum $name { $($(#[$doc])* $variant,)+ }

        impl $name {
            /// All there are.
            $vis const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its name in metrics and on the wire.
            $vis const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        $(impl $name {
            /// So many more.
            $vis fn count(self, times: u64) {
                metrics::counter!($metric, $label => self.as_str()).increment(times);
            }

            /// Tells what is counted here, and each of it from zero.
            $vis fn describe() {
                metrics::describe_counter!($metric, $help);
                for one in Self::ALL {
                    one.count(0);
                }
            }
        })?
    };
}
pub(crate) use closed_set;

closed_set! {
    /// A limit that refuses.
    pub(crate) enum Limit {
        /// HTTP calls of one address.
        Address = "address",
        /// HTTP calls of one user or bot.
        User = "user",
        /// Messages of one sender.
        Messages = "messages",
        /// Frames of one socket.
        Frames = "frames",
        /// Sockets of one user or address.
        Sockets = "sockets",
        /// Passwords that are compared at once.
        Passwords = "passwords",
        /// Operators' tokens that were wrong.
        WrongTokens = "wrong_tokens",
        /// Messages that wait for a commit.
        LogQueue = "log_queue",
        /// How long they wait.
        LogTime = "log_time",
    }
    counted as "chorus_limits_hit_total" by "limit":
        "Calls, messages and sockets refused by a limit, by limit"
}

closed_set! {
    /// Why something was dropped that is not missed: it is sent again, or read from the log.
    pub(crate) enum Dropped {
        /// A frame, for a socket that is closed or too slow.
        Socket = "socket",
        /// A notice that the bus does not take in time.
        PublishQueue = "publish_queue",
        /// A notice that the bus did not take.
        PublishFailed = "publish_failed",
        /// Notices that this node does not read in time.
        BusQueue = "bus_queue",
        /// The same, found out by the client of the bus.
        BusLag = "bus_lag",
        /// A notice that can't be read: of another version, or of somebody else.
        BusEnvelope = "bus_envelope",
        /// A notice too large for the bus.
        BusEnvelopeSize = "bus_envelope_size",
        /// A question of another node, when there are too many.
        DeskQueue = "desk_queue",
    }
    counted as "chorus_drops_total" by "cause":
        "What was dropped, by cause: frames for closed or slow sockets, notices for other nodes"
}

/// What is counted here, in words.
pub fn describe_metrics() {
    Limit::describe();
    Dropped::describe();
}
