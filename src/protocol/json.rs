//! One JSON object, written field by field in the order it is told.
//!
//! A frame is mostly fixed text; writing it straight keeps the fields in the order of docs/protocol.md and lets
//! a piece that was encoded before (the list of people) go in as it is.

use serde::Serialize;

/// An object being written. The first field is always `type`.
pub(super) struct Object(String);

impl Object {
    /// `{"type":"<kind>"`; `kind` is one of our own names and needs no escaping.
    pub(super) fn new(kind: &'static str) -> Self {
        let mut text = String::with_capacity(192);
        text.push_str("{\"type\":\"");
        text.push_str(kind);
        text.push('"');
        Self(text)
    }

    /// Adds a field. `name` is one of our own and needs no escaping.
    pub(super) fn field(mut self, name: &'static str, value: &(impl Serialize + ?Sized)) -> Self {
        self.0.push_str(",\"");
        self.0.push_str(name);
        self.0.push_str("\":");
        // Texts, numbers and lists of them: serde_json only fails on maps with strange keys.
        self.0.push_str(&serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned()));
        self
    }

    /// Adds a field if there is a value.
    pub(super) fn optional(self, name: &'static str, value: Option<&(impl Serialize + ?Sized)>) -> Self {
        match value {
            Some(value) => self.field(name, value),
            None => self,
        }
    }

    /// Adds fields that are encoded already: `"a":1,"b":2`.
    pub(super) fn fragment(mut self, fields: &str) -> Self {
        self.0.push(',');
        self.0.push_str(fields);
        self
    }

    /// The whole text.
    pub(super) fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}
