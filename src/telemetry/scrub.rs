//! What is taken out of a report before it leaves the machine. Pure.
//!
//! A report may say what failed where; it must not carry what lets somebody in (tokens, tickets,
//! cookies, passwords) nor what was said.

use sentry::protocol::{Breadcrumb, Event, Map, Request, Value};

/// Headers that a report may carry; all others go.
const HARMLESS: [&str; 6] = [
    "accept",
    "content-length",
    "content-type",
    "host",
    "user-agent",
    "x-request-id",
];

/// Words that mark a field as a credential.
const TELLING: [&str; 7] = [
    "token",
    "ticket",
    "password",
    "authorization",
    "cookie",
    "secret",
    "query",
];

/// An event without credentials.
pub(super) fn event(mut event: Event<'static>) -> Event<'static> {
    event.request = event.request.map(request);
    event.user = None;
    event.server_name = None;
    strip(&mut event.extra);
    event
}

/// A breadcrumb without credentials.
pub(super) fn breadcrumb(mut breadcrumb: Breadcrumb) -> Breadcrumb {
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
    fn breadcrumbs_lose_telling_fields() {
        let data = [
            ("ticket".to_owned(), Value::from("hunter2")),
            ("path".to_owned(), Value::from("/ws")),
        ];
        let scrubbed = breadcrumb(Breadcrumb { data: data.into_iter().collect(), ..Breadcrumb::default() });
        assert_eq!(scrubbed.data.len(), 1);
    }
}
