//! What is taken out of a report before it leaves the machine. Pure.
//!
//! A report may say what failed where; it must not carry what lets somebody in (tokens, tickets,
//! cookies, passwords), nor what was said, nor who somebody is. Three rules: only harmless headers stay;
//! fields whose names tell of people or credentials go; and what stands in quotes in a text goes, since
//! there languages and servers repeat what they were given.

use sentry::protocol::{Breadcrumb, Context, Event, Map, Request, Value};

/// Headers that a report may carry; all others go.
const HARMLESS: [&str; 6] = [
    "accept",
    "content-length",
    "content-type",
    "host",
    "user-agent",
    "x-request-id",
];

/// Words that mark a field as a credential, or as somebody's.
const TELLING: [&str; 11] = [
    "token",
    "ticket",
    "password",
    "authorization",
    "cookie",
    "secret",
    "query",
    "user",
    "from",
    "address",
    "room",
];

/// What may stand around words that somebody else has chosen. (An apostrophe stands in too many others.)
const QUOTES: [char; 8] = ['"', '`', '«', '»', '„', '“', '”', '‘'];

/// An event without credentials, and without what was said and by whom.
pub(super) fn event(mut event: Event<'static>) -> Event<'static> {
    event.request = event.request.map(request);
    event.user = None;
    event.server_name = None;
    event.message = event.message.map(unquoted);
    strip(&mut event.extra);
    for context in event.contexts.values_mut() {
        if let Context::Other(fields) = context {
            strip(fields);
        }
    }
    for exception in &mut event.exception.values {
        exception.value = exception.value.take().map(unquoted);
    }
    event
}

/// A breadcrumb without them.
pub(super) fn breadcrumb(mut breadcrumb: Breadcrumb) -> Breadcrumb {
    breadcrumb.message = breadcrumb.message.map(unquoted);
    strip(&mut breadcrumb.data);
    breadcrumb
}

fn request(mut request: Request) -> Request {
    if let Some(url) = &mut request.url {
        url.set_query(None);
        url.set_fragment(None);
        // Fails only on URLs that can carry no credentials.
        let _ = url.set_password(None);
        let _ = url.set_username("");
        let path = roomless(url.path());
        url.set_path(&path);
    }
    request.query_string = None;
    request.cookies = None;
    request.data = None;
    request.env.clear();
    request.headers.retain(|name, _| HARMLESS.contains(&name.to_ascii_lowercase().as_str()));
    request
}

fn strip(fields: &mut Map<String, Value>) {
    fields.retain(|name, _| {
        let name = name.to_ascii_lowercase();
        !TELLING.iter().any(|word| name.contains(word))
    });
    fields.values_mut().for_each(quiet);
}

/// Texts within a value.
fn quiet(value: &mut Value) {
    match value {
        Value::String(text) => *text = unquoted(std::mem::take(text)),
        Value::Array(values) => values.iter_mut().for_each(quiet),
        Value::Object(fields) => fields.values_mut().for_each(quiet),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A text without what stands between the first and the last quote of a kind: what was quoted may hold
/// quotes of its own.
fn unquoted(mut text: String) -> String {
    for mark in QUOTES {
        let Some(first) = text.find(mark) else { continue };
        let last = text.rfind(mark).filter(|last| *last > first).unwrap_or(text.len());
        text.replace_range(first + mark.len_utf8()..last, "…");
    }
    text
}

/// A path without the name of a room.
fn roomless(path: &str) -> String {
    let mut after_rooms = false;
    let part = |part| if std::mem::replace(&mut after_rooms, part == "rooms") { "room" } else { part };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_credential_leaves() {
        let request = Request {
            url: "https://u:hunter2@chat.example/ws?ticket=hunter2#hunter2".parse().ok(),
            query_string: Some("token=hunter2".to_owned()),
            cookies: Some("chorus_session=hunter2".to_owned()),
            data: Some("{\"password\":\"hunter2\"}".to_owned()),
            headers: [
                ("Authorization", "Bearer hunter2"),
                ("Cookie", "hunter2"),
                ("X-Odd", "hunter2"),
                ("User-Agent", "x"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into_iter()
            .collect(),
            env: [("JWT_SECRET".to_owned(), "hunter2".to_owned())].into_iter().collect(),
            ..Request::default()
        };
        let extra = [("access_token".to_owned(), Value::from("hunter2"))].into_iter().collect();
        let scrubbed = event(Event { request: Some(request), extra, ..Event::default() });
        let text = serde_json::to_string(&scrubbed).unwrap();
        assert!(!text.contains("hunter2"), "{text}");
        assert!(text.contains("User-Agent") && text.contains("/ws"));
    }

    #[test]
    fn what_stands_in_quotes_is_somebodys() {
        for (text, left) in [
            ("nothing to hide, can't you see", "nothing to hide, can't you see"),
            ("of type integer: \"hunter2\" (22P02)", "of type integer: \"…\" (22P02)"),
            ("it is inside `hunter2 `x` hunter2`", "it is inside `…`"),
            ("Custom { error: \"hunter2 ` hunter2", "Custom { error: \"…"),
            ("Typ integer: „hunter2“ (22P02)", "Typ integer: „…"),
            ("pour le type « hunter2 »", "pour le type «…"),
        ] {
            assert_eq!(unquoted(text.to_owned()), left);
        }
    }

    #[test]
    fn neither_what_was_said_nor_who_somebody_is_leaves() {
        let fields = [
            ("username", Value::from("hunter2")),
            ("from", Value::from("203.0.113.7")),
            ("cause", Value::from("unique constraint \"hunter2\"")),
            ("causes", Value::from(vec!["a `hunter2`"])),
            ("code", Value::from("internal")),
        ];
        let fields: Map<String, Value> =
            fields.map(|(name, value)| (name.to_owned(), value)).into_iter().collect();
        let panic = sentry::protocol::Exception {
            value: Some("inside `hunter2`".to_owned()),
            ..sentry::protocol::Exception::default()
        };
        let url = "https://chat.example/rooms/hunter2/messages".parse().ok();
        let told = event(Event {
            message: Some("no such \"hunter2\"".to_owned()),
            contexts: [("Rust Tracing Fields".to_owned(), Context::Other(fields.clone()))]
                .into_iter()
                .collect(),
            exception: vec![panic].into(),
            request: Some(Request { url, ..Request::default() }),
            ..Event::default()
        });
        let before = breadcrumb(Breadcrumb { data: fields, ..Breadcrumb::default() });
        for text in [
            serde_json::to_string(&told).unwrap(),
            serde_json::to_string(&before).unwrap(),
        ] {
            assert!(!text.contains("hunter2") && !text.contains("203.0.113.7"), "{text}");
            assert!(text.contains("unique constraint") && text.contains("internal"), "{text}");
        }
        assert_eq!(roomless("/rooms/hunter2/messages"), "/rooms/room/messages");
        assert_eq!(roomless("/rooms"), "/rooms");
    }

    #[test]
    fn breadcrumbs_lose_telling_fields() {
        let data = [
            ("ticket".to_owned(), Value::from("hunter2")),
            ("path".to_owned(), Value::from("/ws")),
        ];
        let scrubbed = breadcrumb(Breadcrumb { data: data.into_iter().collect(), ..Breadcrumb::default() });
        assert_eq!(scrubbed.data.len(), 1);
    }
}
