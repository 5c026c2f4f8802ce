//! What a seed client is told, as JSON text: the predecessor's frames, unchanged.
//!
//! Its clients put `message` on the page as HTML, trusting that it was encoded; so it is, here and
//! only here. Nothing is stored encoded.

use super::json::Object;
use crate::domain::Event;

/// Most names in one list.
pub const USERS_MAX: usize = 2000;

/// `message`: something was said. The time is UTC on a 12-hour clock.
pub fn message(event: &Event) -> String {
    Object::new("message")
        .field("username", &event.username)
        .field("message", &*encoded(event.body.as_str()))
        .field("timestamp", &*event.timestamp.clock_12h())
        .end()
}

/// `announcement`: somebody came or went, or the operator says something. HTML-encoded like what
/// people say.
pub fn announcement(text: &str) -> String {
    Object::new("announcement").field("message", &*encoded(text)).end()
}

/// `userList`: everybody, or the first [`USERS_MAX`], as a JSON list of names.
pub fn user_list(users: &str) -> String {
    Object::new("userList").fragment(&format!(r#""users":{users}"#)).end()
}

/// `error`: something was refused.
pub fn error(message: &str) -> String {
    Object::new("error").field("message", &*encoded(message)).end()
}

/// HTML entities for the five characters that could leave text or an attribute.
fn encoded(text: &str) -> String {
    let mut html = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            _ => html.push(c),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{ClientId, MessageBody, RoomId, Seq, Timestamp, UserId, Username};

    fn event(text: &str) -> Event {
        Event {
            room: RoomId(1),
            seq: Seq(1),
            id: ClientId::from_store("x"),
            sender: UserId(1),
            username: Username::from_store("alice"),
            body: MessageBody::from_store(text),
            timestamp: Timestamp(45_296_000),
        }
    }

    #[test]
    fn frames_are_exactly_the_predecessors() {
        let frames = [
            (
                message(&event("Hello")),
                r#"{"type":"message","username":"alice","message":"Hello","timestamp":"12:34:56 PM"}"#,
            ),
            (
                announcement("alice has joined the chat room"),
                r#"{"type":"announcement","message":"alice has joined the chat room"}"#,
            ),
            (
                user_list(r#"["alice","bob"]"#),
                r#"{"type":"userList","users":["alice","bob"]}"#,
            ),
            (error("Too long."), r#"{"type":"error","message":"Too long."}"#),
        ];
        for (frame, expected) in frames {
            assert_eq!(frame, expected);
        }
    }

    #[test]
    fn html_is_encoded_once() {
        assert_eq!(
            encoded(r#"<a href="x" id='y'>&amp;</a>"#),
            "&lt;a href=&quot;x&quot; id=&#39;y&#39;&gt;&amp;amp;&lt;/a&gt;"
        );
    }

    proptest! {
        #[test]
        fn whatever_is_said_comes_back_after_decoding(text in any::<String>()) {
            let read: serde_json::Value = serde_json::from_str(&message(&event(&text))).unwrap();
            let shown = read["message"].as_str().unwrap();
            prop_assert!(!shown.contains(['<', '>', '"', '\'']));
            let decoded = shown
                .replace("&lt;", "<")
                .replace("&gt;", ">")
                .replace("&quot;", "\"")
                .replace("&#39;", "'")
                .replace("&amp;", "&");
            prop_assert_eq!(decoded, text);
        }
    }
}
