//! What a v1 client is told, as JSON text.
//!
//! Each function writes one frame of docs/protocol.md with its fields in that order; `ref` comes last and
//! only where something answers.

use serde::{Serialize, Serializer, ser::SerializeStruct};

use super::{Limits, Ref, SUBPROTOCOL, json::Object};
use crate::{
    domain::{ClientId, Event, RoomName, Seq, Timestamp, Username},
    error::Refusal,
};

/// Most names in one list of people; `userCount` is always the whole, the rest is paged over HTTP.
pub const USERS_MAX: usize = 500;

/// `welcome`: the first frame of every socket.
pub fn welcome(username: &Username, build: &str, limits: &Limits, expires_at: Timestamp) -> String {
    Object::new("welcome")
        .field("protocol", SUBPROTOCOL)
        .field("username", username)
        .field("build", build)
        .field("limits", limits)
        .field("expiresAt", &expires_at)
        .end()
}

/// Why a join could not go on where the client was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It named no position.
    Fresh,
    /// The log does not hold that id at that number.
    LogChanged,
    /// Retention has removed what follows.
    PositionExpired,
    /// It is more than `limits.resume` events behind.
    TooFar,
}

/// What a `joined` frame says.
#[derive(Debug, Clone, Copy)]
pub struct Joined<'a> {
    /// Which room.
    pub room: &'a RoomName,
    /// The number of the last event the member has with this frame.
    pub seq: Seq,
    /// Whether `messages` goes on after the client's position without a hole.
    pub recovered: bool,
    /// Why not.
    pub reason: Option<Reason>,
    /// Whether more `joined` frames follow before anything live.
    pub has_more: bool,
    /// The events, ascending.
    pub messages: &'a EventsFragment,
    /// Who is here.
    pub people: &'a PeopleFragment,
    /// The `ref` of the join.
    pub reference: Option<&'a Ref>,
}

/// `joined`: a member has come in, or back, with what it missed.
pub fn joined(joined: &Joined<'_>) -> String {
    Object::new("joined")
        .field("room", joined.room)
        .field("seq", &joined.seq)
        .field("recovered", &joined.recovered)
        .optional("reason", joined.reason.as_ref())
        .field("hasMore", &joined.has_more)
        .fragment(&joined.messages.0)
        .fragment(&joined.people.json)
        .optional("ref", joined.reference)
        .end()
}

/// A page of the log, encoded once for all who are sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventsFragment(Box<str>);

impl EventsFragment {
    /// Encodes events, which are ascending.
    pub fn new(events: &[Event]) -> Self {
        let events: Vec<_> = events.iter().map(Entry).collect();
        // Numbers and texts: serde_json only fails on maps with strange keys.
        let events = serde_json::to_string(&events).unwrap_or_else(|_| "[]".to_owned());
        Self(format!(r#""messages":{events}"#).into())
    }
}

/// The people of a room: the first [`USERS_MAX`] names, the whole count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeopleFragment {
    json: Box<str>,
}

impl PeopleFragment {
    /// Of a JSON list of names, how many there are in all, and the version of the room's list.
    pub fn new(users: &str, user_count: usize, version: u64) -> Self {
        let json = format!(r#""users":{users},"userCount":{user_count},"version":{version}"#);
        Self { json: json.into() }
    }

    /// The fields as they stand in a frame: `"users":[…],"userCount":n,"version":v`.
    pub fn as_json_fields(&self) -> &str {
        &self.json
    }
}

/// `message`: something was said.
pub fn message(room: &RoomName, event: &Event) -> String {
    Object::new("message")
        .field("room", room)
        .field("seq", &event.seq)
        .field("id", &event.id)
        .field("username", &event.username)
        .field("message", &event.body)
        .field("timestamp", &event.timestamp)
        .end()
}

/// An event as it stands in a list of them: `{seq,id,username,message,timestamp}`.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a>(pub &'a Event);

impl Serialize for Entry<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(event) = self;
        let mut entry = serializer.serialize_struct("Entry", 5)?;
        entry.serialize_field("seq", &event.seq)?;
        entry.serialize_field("id", &event.id)?;
        entry.serialize_field("username", &event.username)?;
        entry.serialize_field("message", &event.body)?;
        entry.serialize_field("timestamp", &event.timestamp)?;
        entry.end()
    }
}

/// `ack`: the message is committed. `duplicate` says that it was before.
pub fn ack(
    id: &ClientId,
    room: &RoomName,
    seq: Seq,
    timestamp: Timestamp,
    duplicate: bool,
    reference: Option<&Ref>,
) -> String {
    Object::new("ack")
        .field("id", id)
        .field("room", room)
        .field("seq", &seq)
        .field("timestamp", &timestamp)
        .optional("duplicate", duplicate.then_some(&true))
        .optional("ref", reference)
        .end()
}

/// `userList`: the people of a room, because somebody asked.
pub fn user_list(room: &RoomName, people: &PeopleFragment, reference: Option<&Ref>) -> String {
    Object::new("userList")
        .field("room", room)
        .fragment(&people.json)
        .optional("ref", reference)
        .end()
}

/// `presence`: what changed since the previous version.
pub fn presence(
    room: &RoomName,
    joined: &[Username],
    left: &[Username],
    user_count: usize,
    version: u64,
) -> String {
    Object::new("presence")
        .field("room", room)
        .field("joined", joined)
        .field("left", left)
        .field("userCount", &user_count)
        .field("version", &version)
        .end()
}

/// `typing`: somebody is writing.
pub fn typing(room: &RoomName, username: &Username) -> String {
    Object::new("typing").field("room", room).field("username", username).end()
}

/// `announcement`: the operator says something.
pub fn announcement(text: &str) -> String {
    Object::new("announcement").field("message", text).end()
}

/// `renewed`: the socket lasts longer.
pub fn renewed(expires_at: Timestamp, reference: Option<&Ref>) -> String {
    Object::new("renewed").field("expiresAt", &expires_at).optional("ref", reference).end()
}

/// `reconnect`: this node drains and serves the client for so many milliseconds more.
pub fn reconnect(after_ms: u64) -> String {
    Object::new("reconnect").field("afterMs", &after_ms).end()
}

/// `error`: a frame was refused. A fraction of a millisecond to wait counts as a whole one, so
/// that nobody tries too early.
pub fn error(refusal: &Refusal, id: Option<&ClientId>, reference: Option<&Ref>) -> String {
    let wait = refusal.retry_after.map(|wait| wait.as_nanos().div_ceil(1_000_000));
    let retry_after_ms = wait.map(|ms| u64::try_from(ms).unwrap_or(u64::MAX));
    Object::new("error")
        .field("code", &refusal.code)
        .field("message", &*refusal.message)
        .optional("id", id)
        .field("retryAfterMs", &retry_after_ms)
        .optional("ref", reference)
        .end()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::{
        domain::{MessageBody, RoomId, UserId},
        error::Code,
        protocol::{Names, client::parse_v1},
    };

    fn event(text: &str) -> Event {
        Event {
            room: RoomId(1),
            seq: Seq(58),
            id: ClientId::from_store("0198"),
            sender: UserId(1),
            username: Username::from_store("alice"),
            body: MessageBody::from_store(text),
            timestamp: Timestamp(1_767_323_045_678),
        }
    }

    fn people() -> PeopleFragment {
        let names = ["alice", "bob"].map(Username::from_store);
        PeopleFragment::new(&Names::new(&names, USERS_MAX).json(), 2, 7)
    }

    fn reference(json: &str) -> Ref {
        let frame = format!(r#"{{"type":"leave","room":"a","ref":{json}}}"#);
        parse_v1(&frame).unwrap().1.unwrap()
    }

    #[test]
    fn frames_are_exactly_as_the_protocol_says() {
        let (lobby, time) = (RoomName::lobby(), Timestamp(1_767_323_045_678));
        let id = ClientId::from_store("0198");
        let frames = [
            (
                welcome(&Username::from_store("alice"), "0.1.0", &Limits::default(), time),
                concat!(
                    r#"{"type":"welcome","protocol":"chorus.v1","username":"alice","build":"0.1.0","limits":"#,
                    r#"{"messageChars":500,"messages":20,"windowSeconds":10,"frameBytes":16384,"roomsPerSocket":50,"#,
                    r#""resume":1000,"usernameMin":3,"usernameMax":50,"passwordMin":8,"passwordMax":128},"#,
                    r#""expiresAt":"2026-01-02T03:04:05.678Z"}"#
                ),
            ),
            (
                message(&lobby, &event("Hello")),
                concat!(
                    r#"{"type":"message","room":"lobby","seq":58,"id":"0198","username":"alice","#,
                    r#""message":"Hello","timestamp":"2026-01-02T03:04:05.678Z"}"#
                ),
            ),
            (
                ack(&id, &lobby, Seq(58), time, false, None),
                r#"{"type":"ack","id":"0198","room":"lobby","seq":58,"timestamp":"2026-01-02T03:04:05.678Z"}"#,
            ),
            (
                ack(&id, &lobby, Seq(58), time, true, Some(&reference("7"))),
                concat!(
                    r#"{"type":"ack","id":"0198","room":"lobby","seq":58,"#,
                    r#""timestamp":"2026-01-02T03:04:05.678Z","duplicate":true,"ref":7}"#
                ),
            ),
            (
                user_list(&lobby, &people(), None),
                r#"{"type":"userList","room":"lobby","users":["alice","bob"],"userCount":2,"version":7}"#,
            ),
            (
                presence(&lobby, &[Username::from_store("carol")], &[], 3, 9),
                r#"{"type":"presence","room":"lobby","joined":["carol"],"left":[],"userCount":3,"version":9}"#,
            ),
            (
                typing(&lobby, &Username::from_store("bob")),
                r#"{"type":"typing","room":"lobby","username":"bob"}"#,
            ),
            (announcement("Tea"), r#"{"type":"announcement","message":"Tea"}"#),
            (
                renewed(time, None),
                r#"{"type":"renewed","expiresAt":"2026-01-02T03:04:05.678Z"}"#,
            ),
            (reconnect(1830), r#"{"type":"reconnect","afterMs":1830}"#),
        ];
        for (frame, expected) in frames {
            assert_eq!(frame, expected);
        }
    }

    #[test]
    fn joined_says_what_was_missed_and_who_is_here() {
        let mut frame = Joined {
            room: &RoomName::lobby(),
            seq: Seq(58),
            recovered: true,
            reason: None,
            has_more: false,
            messages: &EventsFragment::new(&[event("Hello")]),
            people: &people(),
            reference: None,
        };
        assert_eq!(
            joined(&frame),
            concat!(
                r#"{"type":"joined","room":"lobby","seq":58,"recovered":true,"hasMore":false,"#,
                r#""messages":[{"seq":58,"id":"0198","username":"alice","message":"Hello","#,
                r#""timestamp":"2026-01-02T03:04:05.678Z"}],"users":["alice","bob"],"userCount":2,"version":7}"#
            )
        );
        let reference = reference(r#""j""#);
        let nothing = EventsFragment::new(&[]);
        (frame.recovered, frame.reason, frame.messages) = (false, Some(Reason::LogChanged), &nothing);
        frame.reference = Some(&reference);
        assert_eq!(
            joined(&frame),
            concat!(
                r#"{"type":"joined","room":"lobby","seq":58,"recovered":false,"reason":"log_changed","#,
                r#""hasMore":false,"messages":[],"users":["alice","bob"],"userCount":2,"version":7,"ref":"j"}"#
            )
        );
    }

    #[test]
    fn a_list_carries_the_first_500_names_and_the_whole_count() {
        let names: Vec<_> = (0..600).map(|n| Username::from_store(format!("user{n:03}"))).collect();
        let people = PeopleFragment::new(&Names::new(&names, USERS_MAX).json(), 600, 1);
        let frame = user_list(&RoomName::lobby(), &people, None);
        let read: serde_json::Value = serde_json::from_str(&frame).unwrap();
        assert_eq!(read["users"].as_array().unwrap().len(), USERS_MAX);
        assert_eq!(read["userCount"], 600);
    }

    #[test]
    fn an_error_says_when_to_try_again() {
        let refusal = Refusal::new(Code::MessageTooLong, "Too long.");
        assert_eq!(
            error(&refusal, Some(&ClientId::from_store("0198")), None),
            r#"{"type":"error","code":"message_too_long","message":"Too long.","id":"0198","retryAfterMs":null}"#
        );
        let refusal = Refusal::new(Code::RateLimited, "Slow.").retry_after(Duration::from_micros(1_829_001));
        assert_eq!(
            error(&refusal, None, Some(&reference("null"))),
            r#"{"type":"error","code":"rate_limited","message":"Slow.","retryAfterMs":1830,"ref":null}"#
        );
    }

    proptest! {
        #[test]
        fn whatever_is_said_arrives_as_it_was_said(text in any::<String>()) {
            let frame = message(&RoomName::lobby(), &event(&text));
            let read: serde_json::Value = serde_json::from_str(&frame).unwrap();
            prop_assert_eq!(read["message"].as_str(), Some(text.as_str()));
            let read: serde_json::Value = serde_json::from_str(&announcement(&text)).unwrap();
            prop_assert_eq!(read["message"].as_str(), Some(text.as_str()));
        }
    }
}
