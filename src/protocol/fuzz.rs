//! What fuzzing says in frames: any text, in both dialects, held against a reader that knows JSON and nothing
//! of frames.

use serde_json::{Map, Value, json};

use super::{ClientFrame, Dialect, Ref, Rejected, client, error, seed, v1};
use crate::{
    domain::{ClientId, Event, MessageBody, RoomId, RoomName, Seq, Timestamp, UserId, Username},
    error::Code,
};

/// The codes that `parse_v1` may refuse with.
const CODES: [Code; 5] = [
    Code::InvalidJson,
    Code::InvalidRequest,
    Code::UnknownType,
    Code::InvalidRoomName,
    Code::InvalidId,
];
/// The fields that frames have, `ref` left out.
const FIELDS: [&str; 7] = ["type", "room", "after", "afterId", "id", "message", "ticket"];
/// Bytes of a refusal: the longest sentence, an id and a `ref`.
const REFUSAL_BYTES: usize = 512;
/// Characters of a message, as the default has it.
const MESSAGE_CHARS: usize = 500;

type Read = Result<(ClientFrame, Option<Ref>), Rejected>;

/// Any text is a frame that says what another reader reads in it too, or a refusal that can be told.
pub fn frame(bytes: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(bytes) else { return false };
    let other = serde_json::from_str::<Value>(text).ok();
    let read = client::parse_v1(text);
    match &read {
        Ok((frame, reference)) => is_what_was_sent(frame, reference.as_ref(), other.as_ref()),
        Err(rejected) => is_told(rejected, other.as_ref()),
    }
    if let Some(Value::Object(fields)) = &other {
        is_read_alike_however_it_is_spelt(&read, fields);
    }
    is_the_same_in_the_other_dialect(text, &read, other.as_ref());
    read.is_ok()
}

/// Both readers agree about each field, and the frame written anew is the same frame.
fn is_what_was_sent(frame: &ClientFrame, reference: Option<&Ref>, other: Option<&Value>) {
    let written = written(frame);
    assert_eq!(client::parse_v1(&written.to_string()).ok(), Some((frame.clone(), None)));
    assert!(
        reference.is_none_or(|given| !given.as_json().starts_with(['{', '['])),
        "{reference:?}"
    );
    // What is in no field of a frame is hardly looked at, and may be nothing to the other one.
    let Some(other) = other else { return };
    for (name, value) in written.as_object().into_iter().flatten() {
        assert_eq!(&other[name], value, "{name}");
    }
    assert_eq!(reference.map(|given| json(given.as_json())).as_ref(), other.get("ref"));
}

/// As a client writes it that has nothing to hide.
fn written(frame: &ClientFrame) -> Value {
    match frame {
        ClientFrame::Join { room, after: None } => {
            json!({"type": "join", "room": room, "after": null, "afterId": null})
        }
        ClientFrame::Join { room, after: Some(after) } if after.seq == Seq::ZERO => {
            json!({"type": "join", "room": room, "after": 0})
        }
        ClientFrame::Join { room, after: Some(after) } => {
            json!({"type": "join", "room": room, "after": after.seq, "afterId": after.id})
        }
        ClientFrame::Leave { room } => json!({"type": "leave", "room": room}),
        ClientFrame::Message { room, id, text } => {
            json!({"type": "message", "room": room, "id": id, "message": text})
        }
        ClientFrame::Users { room } => json!({"type": "users", "room": room}),
        ClientFrame::Typing { room } => json!({"type": "typing", "room": room}),
        ClientFrame::Renew { ticket } => json!({"type": "renew", "ticket": ticket}),
    }
}

/// A refusal is a short frame with its code, and with the frame's `ref` and id wherever those could be read.
fn is_told(rejected: &Rejected, other: Option<&Value>) {
    let Rejected { refusal, reference, id } = rejected;
    assert!(CODES.contains(&refusal.code), "{refusal:?}");
    let told = error(Dialect::V1, refusal, id.as_ref(), reference.as_ref());
    assert!(told.len() <= REFUSAL_BYTES, "{told}");
    let told = json(&told);
    assert_eq!((&told["type"], &told["code"]), (&json!("error"), &json!(refusal.code)));
    let Some(other) = other else { return };
    assert_ne!(refusal.code, Code::InvalidJson, "it is JSON");
    if !other.is_object() {
        assert_eq!(refusal.code, Code::InvalidRequest);
    } else if refusal.code != Code::InvalidRequest {
        let readable = other["id"].as_str().and_then(|id| ClientId::parse(id).ok());
        assert_eq!(told.get("ref"), other.get("ref"));
        assert_eq!(told["id"].as_str(), readable.as_ref().map(ClientId::as_str));
    }
}

/// Order, spaces, escapes and fields that no frame has change nothing. (A field that stands twice, or is of the
/// wrong type, is refused as `invalid_request`, and the other reader has only the last one.)
fn is_read_alike_however_it_is_spelt(read: &Read, fields: &Map<String, Value>) {
    let is_plain = |value: &Value| !value.is_object() && !value.is_array();
    let kept = fields.iter().filter(|(name, value)| FIELDS.contains(&name.as_str()) && is_plain(value));
    let kept: Map<_, _> = kept.map(|(name, value)| (name.clone(), value.clone())).collect();
    let again = client::parse_v1(&Value::Object(kept).to_string());
    match read {
        Ok((frame, _)) => assert_eq!(again.ok(), Some((frame.clone(), None))),
        Err(Rejected { refusal, .. }) if refusal.code != Code::InvalidRequest => {
            assert_eq!(again.err().map(|rejected| rejected.refusal.code), Some(refusal.code));
        }
        Err(_) => {}
    }
}

/// The seed dialect reads a message as v1 does, and what both call no JSON is the same.
fn is_the_same_in_the_other_dialect(text: &str, read: &Read, other: Option<&Value>) {
    let said = client::parse_seed(text);
    if let Ok((ClientFrame::Message { text, .. }, _)) = read {
        assert_eq!(said.as_ref().ok(), Some(text));
    }
    let code = read.as_ref().err().map(|rejected| rejected.refusal.code);
    match said {
        Ok(said) => {
            assert_ne!(code, Some(Code::InvalidJson));
            assert!(other.is_none_or(|other| other["message"] == *said));
            is_shown_as_it_was_cleaned(&said);
        }
        Err(refusal) => {
            assert_eq!(refusal.code == Code::InvalidJson, code == Some(Code::InvalidJson));
            assert_eq!(json(&error(Dialect::Seed, &refusal, None, None))["type"], "error");
        }
    }
}

/// What is left of a text arrives in both dialects, in the seed one as HTML that shows it and nothing else.
fn is_shown_as_it_was_cleaned(said: &str) {
    let Ok(body) = MessageBody::parse(said, MESSAGE_CHARS) else { return };
    assert_eq!(MessageBody::parse(body.as_str(), MESSAGE_CHARS).as_ref(), Ok(&body));
    assert!(
        !body.as_str().chars().any(|c| c.is_control() && c != '\n' && c != '\t'),
        "{:?}",
        body.as_str()
    );
    let event = Event {
        room: RoomId(1),
        seq: Seq(1),
        id: ClientId::from_store("a"),
        sender: UserId(1),
        username: Username::from_store("alice"),
        body,
        timestamp: Timestamp(0),
    };
    let told = json(&v1::message(&RoomName::lobby(), &event));
    assert_eq!(told["message"], *event.body.as_str());
    let told = json(&seed::message(&event));
    let html = told["message"].as_str().unwrap_or_default();
    assert!(!html.contains(['<', '>', '"', '\'']), "{html}");
    assert_eq!(decoded(html), event.body.as_str());
}

/// As a browser reads it.
fn decoded(html: &str) -> String {
    let names = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&amp;", "&"),
    ];
    names.iter().fold(html.to_owned(), |text, (name, sign)| text.replace(*name, sign))
}

fn json(text: &str) -> Value {
    let read = serde_json::from_str(text);
    assert!(read.is_ok(), "this is told: {text}");
    read.unwrap_or_default()
}
