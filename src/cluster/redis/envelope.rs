//! The wire form of an envelope: JSON, with its version first.
//!
//! Pure. Reading never fails loudly: what another version wrote, or somebody else, is nothing. All
//! that is read is parsed again as what it claims to be, within bounds, so that whoever can write to
//! Redis can say false things but nothing malformed.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    cluster::{
        Committed, Envelope, Incarnation, Notice, SetChange, SetsVersion, TraceParent,
        inquiry::{Question, Reply, Request, Told},
    },
    domain::{ClientId, Event, MessageBody, RoomId, Seq, SignInId, Timestamp, UserId, Username},
};

/// The version that this program writes, and the only one it reads.
const VERSION: u32 = 1;
/// Bytes of an envelope. A larger one is neither sent nor read; the log has what it would have told.
pub(super) const LARGEST: usize = 8 * 1024 * 1024;
/// Characters of a message: the most that any setting allows.
pub(super) const BODY_MAX: usize = 4000;
/// Bytes of a name. Names taken over from elsewhere may be longer than those we give.
pub(super) const NAME_MAX: usize = 255;

#[derive(Serialize, Deserialize)]
struct Wire<'a> {
    v: u32,
    /// The node that rang, so that it knows its own bell by the first bytes.
    n: &'a str,
    from: Uuid128,
    say: Say,
}

/// An id as `Uuid::simple` prints it; JSON has no number for it.
#[derive(Serialize, Deserialize)]
struct Uuid128(String);

impl Uuid128 {
    fn of(id: Uuid) -> Self {
        Self(id.simple().to_string())
    }

    fn parse(&self) -> Option<Uuid> {
        Uuid::try_parse(&self.0).ok()
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Say {
    Committed {
        room: i64,
        events: Vec<WireEvent>,
        traces: Vec<(u64, String, String)>,
    },
    Presence {
        room: i64,
        era: u64,
        number: u64,
        joined: Vec<String>,
        left: Vec<String>,
    },
    Typing {
        room: i64,
        name: String,
    },
    Ended {
        sid: String,
    },
    Asked {
        id: Uuid128,
        what: Request,
    },
    Answered {
        to: Uuid128,
        what: Told,
    },
}

#[derive(Serialize, Deserialize)]
struct WireEvent {
    seq: u64,
    id: String,
    sender: i64,
    name: String,
    body: String,
    at: i64,
}

/// What every envelope of this node begins with.
pub(super) fn prefix(node: &str) -> String {
    format!("{{\"v\":{VERSION},\"n\":\"{node}\"")
}

/// Writes an envelope; `None` when it is too large.
pub(super) fn write(node: &str, envelope: &Envelope) -> Option<String> {
    let from = Uuid128::of(envelope.from.0);
    let wire = Wire { v: VERSION, n: node, from, say: say(&envelope.notice) };
    serde_json::to_string(&wire).ok().filter(|text| text.len() <= LARGEST)
}

/// Reads an envelope; `None` for anything that is not one of this version.
pub(super) fn read(bytes: &[u8]) -> Option<Envelope> {
    if bytes.len() > LARGEST {
        return None;
    }
    let wire: Wire<'_> = serde_json::from_slice(bytes).ok().filter(|wire: &Wire<'_>| wire.v == VERSION)?;
    let from = Incarnation(wire.from.parse()?);
    Some(Envelope { from, notice: heard(wire.say)? })
}

fn say(notice: &Notice) -> Say {
    let texts = |names: &[Username]| names.iter().map(|name| name.as_str().to_owned()).collect();
    match notice {
        Notice::Committed(Committed { room, events, traces }) => Say::Committed {
            room: room.0,
            events: events.iter().map(|event| WireEvent::of(event)).collect(),
            traces: traces
                .iter()
                .map(|(seq, at)| (seq.0, format!("{:032x}", at.trace), format!("{:016x}", at.span)))
                .collect(),
        },
        Notice::Presence(room, change) => Say::Presence {
            room: room.0,
            era: change.version.era,
            number: change.version.number,
            joined: texts(&change.joined),
            left: texts(&change.left),
        },
        Notice::Typing(room, name) => Say::Typing { room: room.0, name: name.as_str().to_owned() },
        Notice::SignInEnded(sid) => Say::Ended { sid: sid.to_string() },
        Notice::Asked(Question { id, what }) => Say::Asked { id: Uuid128::of(*id), what: what.clone() },
        Notice::Answered(Reply { to, what }) => Say::Answered { to: Uuid128::of(*to), what: what.clone() },
    }
}

fn heard(say: Say) -> Option<Notice> {
    Some(match say {
        Say::Committed { room, events, traces } => {
            let room = RoomId(room);
            let events = events.into_iter().map(|event| event.parse(room).map(Arc::new));
            Notice::Committed(Committed {
                room,
                events: events.collect::<Option<_>>()?,
                traces: traces.iter().map(trace).collect::<Option<_>>()?,
            })
        }
        Say::Presence { room, era, number, joined, left } => {
            let change = SetChange {
                version: SetsVersion { era, number },
                joined: names(&joined)?,
                left: names(&left)?,
            };
            Notice::Presence(RoomId(room), change)
        }
        Say::Typing { room, name: text } => Notice::Typing(RoomId(room), name(&text)?),
        Say::Ended { sid } => Notice::SignInEnded(SignInId::parse(&sid)?),
        Say::Asked { id, what } => {
            let what = Some(what).filter(Request::is_sound)?;
            Notice::Asked(Question { id: id.parse()?, what })
        }
        Say::Answered { to, what } => {
            let what = Some(what).filter(Told::is_sound)?;
            Notice::Answered(Reply { to: to.parse()?, what })
        }
    })
}

impl WireEvent {
    fn of(event: &Event) -> Self {
        Self {
            seq: event.seq.0,
            id: event.id.as_str().to_owned(),
            sender: event.sender.0,
            name: event.username.as_str().to_owned(),
            body: event.body.as_str().to_owned(),
            at: event.timestamp.0,
        }
    }

    fn parse(self, room: RoomId) -> Option<Event> {
        Some(Event {
            room,
            seq: Seq(self.seq),
            id: ClientId::parse(&self.id).ok()?,
            sender: UserId(self.sender),
            username: name(&self.name)?,
            body: MessageBody::parse(&self.body, BODY_MAX).ok()?,
            timestamp: Timestamp(self.at),
        })
    }
}

fn trace((seq, trace, span): &(u64, String, String)) -> Option<(Seq, TraceParent)> {
    let at = TraceParent {
        trace: u128::from_str_radix(trace, 16).ok()?,
        span: u64::from_str_radix(span, 16).ok()?,
    };
    Some((Seq(*seq), at))
}

fn names(texts: &[String]) -> Option<Vec<Username>> {
    texts.iter().map(|text| name(text)).collect()
}

/// A name as we give them, or as they may have been taken over: short and printable.
pub(super) fn name(text: &str) -> Option<Username> {
    let taken_over = || {
        let fits = !text.is_empty() && text.len() <= NAME_MAX && !text.chars().any(char::is_control);
        fits.then(|| Username::from_store(text))
    };
    Username::parse(text).ok().or_else(taken_over)
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::cluster::inquiry::{MOST, Place, Wanted};

    fn username() -> impl Strategy<Value = Username> {
        "[A-Za-z0-9_]{3,50}".prop_map(|text| Username::parse(&text).unwrap())
    }

    fn event(room: i64) -> impl Strategy<Value = Arc<Event>> {
        let body =
            "\\PC{1,80}".prop_filter_map("nothing is left", |text| MessageBody::parse(&text, BODY_MAX).ok());
        let id = "[A-Za-z0-9_-]{1,64}".prop_map(|text| ClientId::parse(&text).unwrap());
        (any::<u64>(), id, any::<i64>(), username(), body, any::<i64>()).prop_map(
            move |(seq, id, sender, username, body, at)| {
                Arc::new(Event {
                    room: RoomId(room),
                    seq: Seq(seq),
                    id,
                    sender: UserId(sender),
                    username,
                    body,
                    timestamp: Timestamp(at),
                })
            },
        )
    }

    fn request() -> impl Strategy<Value = Request> {
        let announced = (any::<Option<i64>>(), "\\PC{0,40}");
        let place = ("[a-z]{3,9}", "[0-9a-f]{32}", any::<u64>()).prop_map(|(folded, node, number)| Place {
            folded,
            node,
            number,
        });
        let wanted = (
            prop::option::of("[a-z]{3,9}"),
            any::<Option<i64>>(),
            prop::option::of(place),
            0..MOST,
        );
        prop_oneof![
            Just(Request::State),
            wanted.prop_map(|(user, room, after, limit)| {
                Request::Sockets(Wanted { user, room, after, limit })
            }),
            announced.prop_map(|(room, text)| Request::Announce { room, text }),
            (
                vec("[0-9a-f]{32}", 0..4),
                vec("[0-9a-f]{32}", 0..4),
                any::<Option<u64>>(),
                any::<u64>()
            )
                .prop_map(|(sids, full, mean, seconds)| Request::Expect {
                    sids,
                    full,
                    mean,
                    seconds
                }),
        ]
    }

    fn notice() -> impl Strategy<Value = Notice> {
        let trace = (any::<u64>(), any::<u128>(), any::<u64>())
            .prop_map(|(seq, trace, span)| (Seq(seq), TraceParent { trace, span }));
        let committed = any::<i64>().prop_flat_map(move |room| {
            (vec(event(room), 0..5), vec(trace.clone(), 0..3)).prop_map(move |(events, traces)| {
                Notice::Committed(Committed { room: RoomId(room), events, traces })
            })
        });
        let names = || vec(username(), 0..5);
        let presence = (any::<i64>(), any::<u64>(), any::<u64>(), names(), names()).prop_map(
            |(room, era, number, joined, left)| {
                let version = SetsVersion { era, number };
                Notice::Presence(RoomId(room), SetChange { version, joined, left })
            },
        );
        prop_oneof![
            committed,
            presence,
            (any::<i64>(), username()).prop_map(|(room, name)| Notice::Typing(RoomId(room), name)),
            any::<u128>().prop_map(|sid| Notice::SignInEnded(SignInId(Uuid::from_u128(sid)))),
            (any::<u128>(), request())
                .prop_map(|(id, what)| { Notice::Asked(Question { id: Uuid::from_u128(id), what }) }),
            (any::<u128>(), any::<u64>()).prop_map(|(to, sockets)| {
                Notice::Answered(Reply { to: Uuid::from_u128(to), what: Told::Done(sockets) })
            }),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]
        #[test]
        fn what_is_written_is_read(from: u128, notice in notice()) {
            let envelope = Envelope { from: Incarnation(Uuid::from_u128(from)), notice };
            let text = write("0f", &envelope).unwrap();
            prop_assert!(text.starts_with(&prefix("0f")));
            let read = read(text.as_bytes()).unwrap();
            prop_assert_eq!(format!("{envelope:?}"), format!("{read:?}"));
        }

        #[test]
        fn a_damaged_one_is_nothing_or_something_within_bounds(
            notice in notice(), at: prop::sample::Index, byte: u8, cut: bool,
        ) {
            let envelope = Envelope { from: Incarnation::random(), notice };
            let mut bytes = write("0f", &envelope).unwrap().into_bytes();
            let at = at.index(bytes.len());
            if cut { bytes.truncate(at) } else { bytes[at] = byte }
            if let Some(Envelope { notice: Notice::Typing(_, name), .. }) = read(&bytes) {
                prop_assert!(!name.as_str().chars().any(char::is_control));
            }
        }

        #[test]
        fn garbage_is_nothing(bytes in vec(any::<u8>(), 0..200)) {
            prop_assert!(read(&bytes).is_none());
        }
    }

    #[test]
    fn other_versions_and_kinds_are_nothing() {
        let from = "0".repeat(32);
        let text = |v: u32, say: &str| format!(r#"{{"v":{v},"n":"0f","from":"{from}","say":{say}}}"#);
        let typing = r#"{"typing":{"room":1,"name":"alice"}}"#;
        assert!(read(text(1, typing).as_bytes()).is_some());
        assert!(read(text(2, typing).as_bytes()).is_none());
        assert!(read(text(1, r#"{"edited":{"room":1}}"#).as_bytes()).is_none());
        assert!(read(text(1, r#"{"typing":{"room":1,"name":"a\nb"}}"#).as_bytes()).is_none());
        assert!(read(text(1, r#"{"typing":{"room":1,"name":""}}"#).as_bytes()).is_none());
        let more = text(1, r#"{"typing":{"room":1,"name":"alice","mood":"good"}}"#);
        assert!(read(more.as_bytes()).is_some(), "fields may be added");
    }

    #[test]
    fn a_large_batch_travels_and_a_giant_does_not() {
        let event = |bytes: usize| {
            Arc::new(Event {
                room: RoomId(1),
                seq: Seq(1),
                id: ClientId::parse("a").unwrap(),
                sender: UserId(1),
                username: Username::parse("alice").unwrap(),
                body: MessageBody::from_store("x".repeat(bytes)),
                timestamp: Timestamp(0),
            })
        };
        let batch = |events: usize| Envelope {
            from: Incarnation::random(),
            notice: Notice::Committed(Committed {
                room: RoomId(1),
                events: (0..events).map(|_| event(4000)).collect(),
                traces: vec![],
            }),
        };
        assert!(read(write("0f", &batch(1000)).unwrap().as_bytes()).is_some(), "4 MB");
        assert!(write("0f", &batch(3000)).is_none(), "12 MB");
    }
}
