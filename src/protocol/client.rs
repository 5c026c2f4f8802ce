//! What clients say: untrusted text becomes a frame or a refusal.
//!
//! Unknown fields are ignored and unknown types refused, so the protocol can grow. A field that
//! stands twice is refused: two readers could see two different messages. Nesting is bounded by
//! `serde_json` (128), and a refusal carries back the `ref` and the message id wherever they could
//! be read, so that a client knows which of its frames was refused.

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::fields::Fields;
use crate::{
    domain::{ClientId, Position, RoomName, Seq},
    error::{Code, Refusal},
};

/// Most bytes of a `ref`: it is echoed, so it must not become a way to be sent megabytes.
pub const REF_MAX: usize = 128;

/// One frame of a v1 client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientFrame {
    /// Come into a room, or back into it after `after`.
    Join {
        /// Which room.
        room: RoomName,
        /// The last event seen there; `None` asks for the newest page. A position above
        /// `Seq::ZERO` whose `id` is `None` was sent without `afterId`: it can't be checked.
        after: Option<Position>,
    },
    /// Leave a room.
    Leave {
        /// Which room.
        room: RoomName,
    },
    /// Say something.
    Message {
        /// Where.
        room: RoomName,
        /// The client's id for it.
        id: ClientId,
        /// The text as it came, uncleaned.
        text: String,
    },
    /// Ask for the list of people.
    Users {
        /// Of which room.
        room: RoomName,
    },
    /// The person is typing.
    Typing {
        /// Where.
        room: RoomName,
    },
    /// Prolong this socket with a fresh ticket of the same sign-in.
    Renew {
        /// The ticket.
        ticket: String,
    },
}

/// What a client put into `ref`: the JSON of a scalar, echoed as it came.
#[derive(Clone, Serialize)]
#[serde(transparent)]
pub struct Ref(Box<RawValue>);

impl Ref {
    fn parse(raw: &RawValue) -> Result<Self, Refusal> {
        let text = raw.get();
        // Read once so that what is echoed is JSON every reader accepts (no lone surrogate, no
        // number out of range). There is an object that serde_json reads as the scalar within it.
        let scalar = text.len() <= REF_MAX
            && !text.starts_with(['{', '['])
            && serde_json::from_str::<serde_json::Value>(text).is_ok();
        if scalar {
            Ok(Self(raw.to_owned()))
        } else {
            Err(invalid("`ref` is a string, a number or another scalar of at most 128 bytes."))
        }
    }

    /// Its JSON.
    pub fn as_json(&self) -> &str {
        self.0.get()
    }
}

impl PartialEq for Ref {
    fn eq(&self, other: &Self) -> bool {
        self.as_json() == other.as_json()
    }
}

impl Eq for Ref {}

impl fmt::Debug for Ref {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_json())
    }
}

/// A frame that is refused, and what of it goes back with the refusal.
#[derive(Debug, Clone)]
pub struct Rejected {
    /// Why.
    pub refusal: Refusal,
    /// Its `ref`, if that could be read.
    pub reference: Option<Ref>,
    /// Its message id, if that could be read.
    pub id: Option<ClientId>,
}

/// Parses a frame of a v1 client.
///
/// # Errors
/// `invalid_json`, `invalid_request`, `unknown_type`, `invalid_room_name` or `invalid_id`.
pub fn parse_v1(text: &str) -> Result<(ClientFrame, Option<Ref>), Rejected> {
    let refused = |refusal| Rejected { refusal, reference: None, id: None };
    let fields = Fields::read(text).map_err(refused)?;
    let reference = fields.reference.map(Ref::parse).transpose().map_err(refused)?;
    match fields.frame() {
        Ok(frame) => Ok((frame, reference)),
        Err(refusal) => Err(Rejected { refusal, reference, id: fields.readable_id() }),
    }
}

/// Parses a frame of a seed client: the text it wants to say, uncleaned.
///
/// # Errors
/// `invalid_json`, `invalid_request` or `unknown_type`.
pub fn parse_seed(text: &str) -> Result<String, Refusal> {
    let fields = Fields::read(text)?;
    match &*fields.kind()? {
        "chat" | "message" => required("message", fields.message),
        _ => Err(unknown_type()),
    }
}

impl<'a> Fields<'a> {
    fn read(text: &'a str) -> Result<Self, Refusal> {
        serde_json::from_str(text).map_err(|error| {
            if error.is_data() {
                invalid("A frame is one JSON object, each of its fields once.")
            } else {
                Refusal::new(Code::InvalidJson, "This is not JSON.")
            }
        })
    }

    fn kind(&self) -> Result<Cow<'a, str>, Refusal> {
        let raw = self.kind.ok_or_else(|| missing("type"))?;
        let Text(kind) = serde_json::from_str(raw.get()).map_err(|_| wrong("type"))?;
        Ok(kind)
    }

    fn frame(&self) -> Result<ClientFrame, Refusal> {
        Ok(match &*self.kind()? {
            "join" => ClientFrame::Join { room: self.room()?, after: self.position()? },
            "leave" => ClientFrame::Leave { room: self.room()? },
            "message" => ClientFrame::Message {
                id: ClientId::parse(&required::<String>("id", self.id)?)?,
                room: self.room()?,
                text: required("message", self.message)?,
            },
            "users" => ClientFrame::Users { room: self.room()? },
            "typing" => ClientFrame::Typing { room: self.room()? },
            "renew" => ClientFrame::Renew { ticket: required("ticket", self.ticket)? },
            _ => return Err(unknown_type()),
        })
    }

    fn room(&self) -> Result<RoomName, Refusal> {
        Ok(RoomName::parse(&required::<String>("room", self.room)?)?)
    }

    fn position(&self) -> Result<Option<Position>, Refusal> {
        let id = optional::<String>("afterId", self.after_id)?;
        match (optional::<u64>("after", self.after)?, id) {
            (None, None) => Ok(None),
            (None, Some(_)) => Err(missing("after")),
            (Some(0), _) => Ok(Some(Position::START)),
            (Some(seq), id) => {
                let id = id.map(|id| ClientId::parse(&id)).transpose()?;
                Ok(Some(Position { seq: Seq(seq), id }))
            }
        }
    }

    fn readable_id(&self) -> Option<ClientId> {
        let id: String = serde_json::from_str(self.id?.get()).ok()?;
        ClientId::parse(&id).ok()
    }
}

/// A field that must be there.
fn required<T: DeserializeOwned>(name: &'static str, raw: Option<&RawValue>) -> Result<T, Refusal> {
    let raw = raw.ok_or_else(|| missing(name))?;
    serde_json::from_str(raw.get()).map_err(|_| wrong(name))
}

/// A field that may be missing or `null`.
fn optional<T: DeserializeOwned>(name: &'static str, raw: Option<&RawValue>) -> Result<Option<T>, Refusal> {
    raw.map_or(Ok(None), |raw| serde_json::from_str(raw.get()).map_err(|_| wrong(name)))
}

fn invalid(message: &'static str) -> Refusal {
    Refusal::new(Code::InvalidRequest, message)
}

fn missing(name: &'static str) -> Refusal {
    Refusal::new(Code::InvalidRequest, format!("The field `{name}` is missing."))
}

fn wrong(name: &'static str) -> Refusal {
    Refusal::new(Code::InvalidRequest, format!("The field `{name}` has the wrong type."))
}

const fn unknown_type() -> Refusal {
    Refusal {
        code: Code::UnknownType,
        message: Cow::Borrowed("This type of frame is not known here."),
        retry_after: None,
        cause: None,
    }
}

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn room(name: &str) -> RoomName {
        RoomName::parse(name).unwrap()
    }

    fn id(text: &str) -> ClientId {
        ClientId::parse(text).unwrap()
    }

    fn refused(text: &str) -> Code {
        parse_v1(text).unwrap_err().refusal.code
    }

    #[test]
    fn every_frame_of_the_protocol_is_read() {
        let lobby = || room("lobby");
        let frames = [
            (
                r#"{"type":"join","room":"lobby","after":41,"afterId":"0198"}"#,
                ClientFrame::Join {
                    room: lobby(),
                    after: Some(Position { seq: Seq(41), id: Some(id("0198")) }),
                },
            ),
            (
                r#"{"type":"join","room":"lobby"}"#,
                ClientFrame::Join { room: lobby(), after: None },
            ),
            (r#"{"type":"leave","room":"lobby"}"#, ClientFrame::Leave { room: lobby() }),
            (
                r#"{"type":"message","room":"lobby","id":"0198","message":"Hello \"you\"\u0000"}"#,
                ClientFrame::Message {
                    room: lobby(),
                    id: id("0198"),
                    text: "Hello \"you\"\0".into(),
                },
            ),
            (r#"{"type":"users","room":"lobby"}"#, ClientFrame::Users { room: lobby() }),
            (r#"{"type":"typing","room":"lobby"}"#, ClientFrame::Typing { room: lobby() }),
            (
                r#"{"type":"renew","ticket":"abc"}"#,
                ClientFrame::Renew { ticket: "abc".into() },
            ),
        ];
        for (text, frame) in frames {
            assert_eq!(parse_v1(text).unwrap(), (frame, None), "{text}");
        }
    }

    #[test]
    fn a_position_may_lack_its_id_and_zero_is_the_start() {
        let after = |fields: &str| match parse_v1(&format!(r#"{{"type":"join","room":"a"{fields}}}"#)) {
            Ok((ClientFrame::Join { after, .. }, _)) => after,
            other => panic!("{other:?}"),
        };
        assert_eq!(after(r#","after":7"#), Some(Position { seq: Seq(7), id: None }));
        assert_eq!(after(r#","after":0,"afterId":"""#), Some(Position::START));
        assert_eq!(after(r#","after":null,"afterId":null"#), None);
    }

    #[test]
    fn bad_frames_are_refused_with_their_code() {
        let deep =
            |n: usize| format!(r#"{{"type":"leave","room":"a","x":{}{}}}"#, "[".repeat(n), "]".repeat(n));
        for (text, code) in [
            ("", Code::InvalidJson),
            ("nonsense", Code::InvalidJson),
            (r#"{"type":"leave","room":"a""#, Code::InvalidJson),
            (r#"{"type":"leave","room":"a"} x"#, Code::InvalidJson),
            (&deep(5000), Code::InvalidJson),
            (&"[".repeat(5000), Code::InvalidRequest),
            ("[]", Code::InvalidRequest),
            ("null", Code::InvalidRequest),
            (r#""join""#, Code::InvalidRequest),
            ("{}", Code::InvalidRequest),
            (r#"{"type":7}"#, Code::InvalidRequest),
            (r#"{"type":"dance"}"#, Code::UnknownType),
            (r#"{"type":"leave","type":"join","room":"a"}"#, Code::InvalidRequest),
            (r#"{"type":"leave","room":"a","room":"a"}"#, Code::InvalidRequest),
            (r#"{"type":"leave","room":"a","\u0072oom":"b"}"#, Code::InvalidRequest),
            (r#"{"type":"leave"}"#, Code::InvalidRequest),
            (r#"{"type":"leave","room":["a"]}"#, Code::InvalidRequest),
            (r#"{"type":"leave","room":"A room"}"#, Code::InvalidRoomName),
            (r#"{"type":"join","room":"a","after":-1}"#, Code::InvalidRequest),
            (r#"{"type":"join","room":"a","after":1.5}"#, Code::InvalidRequest),
            (r#"{"type":"join","room":"a","after":"1"}"#, Code::InvalidRequest),
            (r#"{"type":"join","room":"a","afterId":"x"}"#, Code::InvalidRequest),
            (r#"{"type":"join","room":"a","after":1,"afterId":"?"}"#, Code::InvalidId),
            (r#"{"type":"message","room":"a","message":"x"}"#, Code::InvalidRequest),
            (r#"{"type":"message","room":"a","id":"a b","message":"x"}"#, Code::InvalidId),
            (r#"{"type":"message","room":"a","id":"x","message":5}"#, Code::InvalidRequest),
            (
                r#"{"type":"message","room":"a","id":"x","message":"\ud800"}"#,
                Code::InvalidRequest,
            ),
            (r#"{"type":"leave","room":"a","ref":[1]}"#, Code::InvalidRequest),
            (r#"{"type":"leave","room":"a","ref":{"a":1}}"#, Code::InvalidRequest),
            (
                r#"{"type":"leave","room":"a","ref":{"$serde_json::private::RawValue":"1"}}"#,
                Code::InvalidRequest,
            ),
        ] {
            assert_eq!(refused(text), code, "{}", &text[..text.len().min(80)]);
        }
        assert!(parse_v1(&deep(100)).is_ok());
    }

    #[test]
    fn a_refusal_carries_ref_and_id_back() {
        let rejected = parse_v1(r#"{"message":5,"type":"message","id":"m-1","ref": "r1"}"#).unwrap_err();
        assert_eq!(rejected.id, Some(id("m-1")));
        assert_eq!(rejected.reference.unwrap().as_json(), r#""r1""#);
    }

    #[test]
    fn a_ref_is_a_short_scalar_echoed_as_it_came() {
        for good in ["1", "-1.50e3", r#""a\u0041""#, "null", "true"] {
            let (_, reference) = parse_v1(&format!(r#"{{"type":"leave","room":"a","ref":{good}}}"#)).unwrap();
            assert_eq!(reference.unwrap().as_json(), good);
        }
        let sized = |n: usize| format!(r#"{{"type":"leave","room":"a","ref":"{}"}}"#, "x".repeat(n));
        assert!(parse_v1(&sized(REF_MAX - 2)).is_ok());
        assert_eq!(refused(&sized(REF_MAX - 1)), Code::InvalidRequest);
    }

    #[test]
    fn a_seed_client_says_chat_or_message() {
        assert_eq!(parse_seed(r#"{"type":"chat","message":"hi","username":"eve"}"#).unwrap(), "hi");
        assert_eq!(parse_seed(r#"{"message":"hi","type":"message"}"#).unwrap(), "hi");
        for (text, code) in [
            ("hello", Code::InvalidJson),
            (r#"{"type":"join","message":"x"}"#, Code::UnknownType),
            (r#"{"message":"x"}"#, Code::InvalidRequest),
            (r#"{"type":"chat"}"#, Code::InvalidRequest),
            (r#"{"type":"chat","message":null}"#, Code::InvalidRequest),
            (r#"{"type":"chat","message":"a","message":"b"}"#, Code::InvalidRequest),
        ] {
            assert_eq!(parse_seed(text).unwrap_err().code, code, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_gets_an_answer(text in "\\PC{0,200}") {
            let _ = parse_v1(&text);
            let _ = parse_seed(&text);
        }

        #[test]
        fn any_object_gets_an_answer(
            fields in prop::collection::vec(
                ("type|room|id|message|after|afterId|ref|ticket|x",
                 r#""join"|"message"|"lobby"|1|-1|null|\[\]|\{\}|"\\u00"|1e999"#), 0..8)
        ) {
            let body: Vec<_> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
            let _ = parse_v1(&format!("{{{}}}", body.join(",")));
        }

        #[test]
        fn any_message_text_arrives_as_it_was_sent(text in any::<String>()) {
            let frame = serde_json::json!({"type": "message", "room": "a", "id": "i", "message": text}).to_string();
            let (ClientFrame::Message { text: read, .. }, None) = parse_v1(&frame).unwrap() else {
                panic!("another frame")
            };
            prop_assert_eq!(read, text);
        }
    }
}
