//! `docs/schema` against the code: what is written fits the schemas and says nothing they don't name, and what they
//! refuse of a client the parser refuses, too, and the other way round.

// Nothing below is part of the program; the attribute also tells `tests/architecture.rs`.
#[cfg(test)]
use std::{fs, path::Path, sync::LazyLock, time::Duration};

use jsonschema::Validator;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    Limits, Names, Ref,
    client::{ClientFrame, parse_seed, parse_v1},
    seed, v1,
};
use crate::{
    domain::{ClientId, Event, MessageBody, RoomId, RoomName, Seq, Timestamp, UserId, Username},
    error::{Code, Refusal},
};

fn schema(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema").join(name);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Forbids what is not named: the program must not say what its schema does not know.
fn closed(schema: &mut Value) {
    if let Some(object) = schema.as_object_mut() {
        if object.get("type") == Some(&json!("object")) {
            object.insert("additionalProperties".to_owned(), json!(false));
        }
        object.values_mut().for_each(closed);
    } else if let Some(items) = schema.as_array_mut() {
        items.iter_mut().for_each(closed);
    }
}

fn validator(name: &str) -> Validator {
    jsonschema::validator_for(&schema(name)).unwrap()
}

fn closed_validator(name: &str) -> Validator {
    let mut schema = schema(name);
    closed(&mut schema);
    jsonschema::validator_for(&schema).unwrap()
}

static V1_CLIENT: LazyLock<Validator> = LazyLock::new(|| validator("v1-client.json"));
static V1_SERVER: LazyLock<Validator> = LazyLock::new(|| closed_validator("v1-server.json"));
static SEED_CLIENT: LazyLock<Validator> = LazyLock::new(|| validator("seed-client.json"));
static SEED_SERVER: LazyLock<Validator> = LazyLock::new(|| closed_validator("seed-server.json"));

/// Whether a node takes this text as a frame of `v1`, and what is said in it as a message.
fn v1_takes(text: &str) -> bool {
    match parse_v1(text) {
        Ok((ClientFrame::Message { text, .. }, _)) => is_a_message(&text),
        read => read.is_ok(),
    }
}

fn seed_takes(text: &str) -> bool {
    parse_seed(text).is_ok_and(|text| is_a_message(&text))
}

fn is_a_message(text: &str) -> bool {
    MessageBody::parse(text, usize::MAX).is_ok()
}

fn event(name: &str, text: &str, time: i64) -> Event {
    Event {
        room: RoomId(1),
        seq: Seq(58),
        id: ClientId::from_store("0198"),
        sender: UserId(1),
        username: Username::from_store(name),
        body: MessageBody::from_store(text),
        timestamp: Timestamp(time),
    }
}

/// Every frame that a `v1` client can be told, with this text wherever there is text.
fn v1_frames(text: &str, number: u64, time: i64, re: Option<&Ref>) -> Vec<String> {
    let (room, name, id) = (RoomName::lobby(), Username::from_store(text), ClientId::from_store("0198"));
    let (event, time) = (event(text, text, time), Timestamp(time));
    let names = vec![name.clone(); usize::try_from(number % 700).unwrap_or_default()];
    let people = v1::PeopleFragment::new(&Names::new(&names, v1::USERS_MAX).json(), names.len(), number);
    let joined = |reason: Option<v1::Reason>| {
        v1::joined(&v1::Joined {
            room: &room,
            seq: Seq(number),
            recovered: reason.is_none(),
            reason,
            has_more: number.is_multiple_of(2),
            messages: &v1::EventsFragment::new(std::slice::from_ref(&event)),
            people: &people,
            reference: re,
        })
    };
    let reasons = [
        v1::Reason::Fresh,
        v1::Reason::LogChanged,
        v1::Reason::PositionExpired,
        v1::Reason::TooFar,
    ];
    let mut frames = vec![
        v1::welcome(&name, text, &Limits::default(), time),
        joined(None),
        v1::message(&room, &event),
        v1::ack(&id, &room, Seq(number), time, false, re),
        v1::ack(&id, &room, Seq(number), time, true, re),
        v1::user_list(&room, &people, re),
        v1::presence(&room, &names, std::slice::from_ref(&name), names.len(), number),
        v1::typing(&room, &name),
        v1::announcement(text),
        v1::renewed(time, re),
        v1::reconnect(number),
    ];
    frames.extend(reasons.map(|reason| joined(Some(reason))));
    for code in Code::ALL {
        let refusal = Refusal::new(*code, text.to_owned());
        frames.push(v1::error(&refusal, Some(&id), re));
        frames.push(v1::error(
            &refusal.retry_after(Duration::from_millis(number % 99_000)),
            None,
            re,
        ));
    }
    frames
}

fn seed_frames(text: &str, time: i64) -> Vec<String> {
    vec![
        seed::message(&event("alice", text, time)),
        seed::announcement(text),
        seed::user_list(&Names::new(&vec![Username::from_store(text); 2_100], seed::USERS_MAX).json()),
        seed::error(text),
    ]
}

fn fits(validator: &Validator, frames: &[String]) -> Result<(), TestCaseError> {
    for frame in frames {
        let read: Value = serde_json::from_str(frame).unwrap();
        if let Err(error) = validator.validate(&read) {
            return Err(TestCaseError::fail(format!("{error} at {} in {frame}", error.instance_path())));
        }
    }
    Ok(())
}

#[test]
fn the_schemas_name_every_frame_and_every_code() {
    let written: Vec<Value> = v1_frames("a", 1, 0, None)
        .iter()
        .map(|frame| serde_json::from_str(frame).unwrap())
        .collect();
    let server = schema("v1-server.json");
    for frame in server["oneOf"].as_array().unwrap() {
        let kind = frame["$ref"].as_str().unwrap().trim_start_matches("#/$defs/");
        assert!(
            written.iter().any(|frame| frame["type"] == kind),
            "{kind} is never written here"
        );
    }
    let codes: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(server["$defs"]["code"]["enum"], json!(codes));
}

/// What a field of a client's frame may hold: right, nearly right and wrong. (A number with a fraction of 0, which
/// is a whole one to JSON Schema, and strings beyond ASCII in `ref`, whose bytes it can't count, are left out.)
fn values() -> impl Strategy<Value = Value> {
    prop_oneof![
        3 => Just(json!("lobby")),
        3 => "[a-zA-Z0-9_-]{0,66}".prop_map(Value::from),
        1 => "[ -~]{100,130}".prop_map(|text| Value::from(text.replace(['"', '\\'], "x"))),
        1 => "[ \\t\\n\\u{0}\\u{7f}\\u{85}\\u{a0}\\u{1680}\\u{2003}\\u{2028}\\u{202e}\\u{2067}\\u{3000}]{0,3}".prop_map(Value::from),
        2 => (0..5_u64).prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => Just(json!(u64::MAX)),
        1 => Just(json!(1.5)),
        1 => Just(Value::Null),
        1 => Just(json!(true)),
        1 => Just(json!(["lobby"])),
        1 => Just(json!({ "a": 1 })),
    ]
}

fn kinds() -> impl Strategy<Value = Option<Value>> {
    const KNOWN: &[&str] = &[
        "join", "leave", "message", "users", "typing", "renew", "chat", "dance",
    ];
    prop_oneof![
        9 => prop::sample::select(KNOWN).prop_map(|kind| Some(json!(kind))),
        1 => prop::option::of(values()),
    ]
}

fn texts() -> impl Strategy<Value = Value> {
    prop_oneof![2 => Just(json!("Hello")), 1 => any::<String>().prop_map(Value::from), 1 => values()]
}

/// Objects that are nearly frames.
fn frames() -> impl Strategy<Value = Value> {
    let short = "[a-z ]{0,130}".prop_map(Value::from);
    let reference = prop_oneof![short, values()];
    (
        kinds(),
        prop::option::weighted(0.9, values()),
        prop::option::weighted(0.9, values()),
        prop::option::weighted(0.9, texts()),
        prop::option::of(values()),
        prop::option::of(values()),
        prop::option::weighted(0.2, reference),
        prop::option::of(values()),
    )
        .prop_map(|(kind, room, id, message, after, after_id, reference, ticket)| {
            let fields = [
                ("type", kind),
                ("room", room),
                ("id", id),
                ("message", message),
                ("after", after),
                ("afterId", after_id),
                ("ref", reference.filter(|text| text.as_str().is_none_or(str::is_ascii))),
                ("ticket", ticket),
            ];
            fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn what_is_written_fits_its_schema(
        text in any::<String>(),
        number in 0..=i64::MAX.unsigned_abs(),
        time in 0..4_000_000_000_000_i64,
        echoed in prop::option::of("-?[1-9][0-9]{0,9}|\"[a-z]{0,9}\"|true|null"),
    ) {
        let re = echoed.map(|echoed| {
            parse_v1(&format!(r#"{{"type":"leave","room":"a","ref":{echoed}}}"#)).unwrap().1.unwrap()
        });
        fits(&V1_SERVER, &v1_frames(&text, number, time, re.as_ref()))?;
        fits(&SEED_SERVER, &seed_frames(&text, time))?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]
    #[test]
    fn a_client_may_say_what_the_schema_says_and_nothing_else(frame in frames()) {
        let text = frame.to_string();
        prop_assert_eq!(V1_CLIENT.is_valid(&frame), v1_takes(&text), "v1: {}", text);
        prop_assert_eq!(SEED_CLIENT.is_valid(&frame), seed_takes(&text), "seed: {}", text);
    }
}
