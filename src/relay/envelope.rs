//! What a sink is told of an event: CloudEvents 1.0 in JSON, one event each. `docs/events.md` explains it,
//! `docs/schema/event.json` has it as JSON Schema. Pure.

use serde::Serialize;

use super::{plan::Next, sink::Outgoing};
use crate::{
    domain::{ClientId, Event, MessageBody, RoomName, Seq, Timestamp, Username},
    store::LogId,
};

/// The media type of an event.
pub const MEDIA_TYPE: &str = "application/cloudevents+json; charset=utf-8";
/// The kind of event that a message is.
pub const MESSAGE: &str = "chorus.message";

/// An event. Numbers in attributes are text, because those of CloudEvents end at 2³¹.
#[derive(Serialize)]
struct Envelope<'a> {
    specversion: &'static str,
    r#type: &'static str,
    source: String,
    id: &'a str,
    time: Timestamp,
    subject: &'a RoomName,
    datacontenttype: &'static str,
    epoch: String,
    seq: String,
    prevseq: String,
    data: Data<'a>,
}

/// The message, as history shows it.
#[derive(Serialize)]
struct Data<'a> {
    room: &'a RoomName,
    #[serde(rename = "roomId")]
    room_id: i64,
    seq: Seq,
    id: &'a ClientId,
    #[serde(rename = "userId")]
    user_id: i64,
    username: &'a Username,
    message: &'a MessageBody,
    timestamp: Timestamp,
}

/// By which an event is known again: where it is, who said it and by which id, because a log that was restored may
/// give the number to another one.
pub(super) fn id(event: &Event) -> String {
    format!("{}.{}.{}.{}", event.room.0, event.seq.0, event.sender.0, event.id)
}

/// The event on its way out.
pub(super) fn outgoing(next: &Next, log: LogId) -> Outgoing {
    let Next { event, name, prev, .. } = next;
    let id = id(event);
    let envelope = Envelope {
        specversion: "1.0",
        r#type: MESSAGE,
        source: format!("urn:uuid:{}", log.chat),
        id: &id,
        time: event.timestamp,
        subject: name,
        datacontenttype: "application/json",
        epoch: log.epoch.simple().to_string(),
        seq: event.seq.0.to_string(),
        prevseq: prev.0.to_string(),
        data: Data {
            room: name,
            room_id: event.room.0,
            seq: event.seq,
            id: &event.id,
            user_id: event.sender.0,
            username: &event.username,
            message: &event.body,
            timestamp: event.timestamp,
        },
    };
    // Text and numbers only: that can always be written.
    let body = serde_json::to_vec(&envelope).unwrap_or_default().into();
    let (room, seq, timestamp) = (event.room, event.seq, event.timestamp);
    Outgoing { room, name: name.clone(), seq, id, timestamp, body }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path, sync::Arc};

    use proptest::prelude::*;
    use serde_json::{Value, json};
    use uuid::Uuid;

    use super::*;
    use crate::domain::{RoomId, UserId};

    fn next(text: &str, seq: u64, prev: u64) -> Next {
        let event = Event {
            room: RoomId(7),
            seq: Seq(seq),
            id: ClientId::parse("0198-a_B").unwrap(),
            sender: UserId(12),
            username: Username::parse("alice").unwrap(),
            body: MessageBody::from_store(text),
            timestamp: Timestamp(1_767_323_045_678),
        };
        Next {
            event: Arc::new(event),
            name: RoomName::lobby(),
            prev: Seq(prev),
            gone: 0,
        }
    }

    fn log() -> LogId {
        LogId { chat: Uuid::from_u128(1), epoch: Uuid::from_u128(2) }
    }

    fn told(next: &Next) -> Value {
        serde_json::from_slice(&outgoing(next, log()).body).unwrap()
    }

    fn schema() -> jsonschema::Validator {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema/event.json");
        let schema = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        jsonschema::validator_for(&schema).unwrap()
    }

    #[test]
    fn an_event_is_what_the_page_says() {
        let expected = json!({
            "specversion": "1.0",
            "type": "chorus.message",
            "source": "urn:uuid:00000000-0000-0000-0000-000000000001",
            "id": "7.58.12.0198-a_B",
            "time": "2026-01-02T03:04:05.678Z",
            "subject": "lobby",
            "datacontenttype": "application/json",
            "epoch": "00000000000000000000000000000002",
            "seq": "58",
            "prevseq": "57",
            "data": {
                "room": "lobby",
                "roomId": 7,
                "seq": 58,
                "id": "0198-a_B",
                "userId": 12,
                "username": "alice",
                "message": "Hello \"you\"",
                "timestamp": "2026-01-02T03:04:05.678Z",
            },
        });
        assert_eq!(told(&next("Hello \"you\"", 58, 57)), expected);
    }

    #[test]
    fn the_schema_refuses_what_is_none() {
        let (schema, event) = (schema(), told(&next("Hello", 58, 57)));
        assert!(schema.is_valid(&event));
        for field in event.as_object().unwrap().keys() {
            let mut less = event.clone();
            less.as_object_mut().unwrap().remove(field);
            assert!(!schema.is_valid(&less), "without {field}");
        }
        let mut more = event;
        more["prevseq"] = json!(57);
        assert!(!schema.is_valid(&more), "a number instead of text");
    }

    proptest! {
        #[test]
        fn any_text_makes_an_event_of_the_schema(text in "\\PC{0,80}", seq in 1_u64.., step in 0_u64..5) {
            let next = next(&text, seq, seq.saturating_sub(1 + step));
            let event = told(&next);
            prop_assert!(schema().is_valid(&event), "{event}");
            prop_assert_eq!(event["data"]["message"].as_str(), Some(text.as_str()));
            prop_assert!(outgoing(&next, log()).id.len() <= 200);
        }
    }
}
