//! One JSON object, written field by field in the order it is told.
//!
//! A frame is mostly fixed text; writing it straight keeps the fields in the order of docs/protocol.md and lets
//! a piece that was encoded before (the list of people) go in as it is.

use serde::Serialize;

/// An object being written. The first field is always `type`.
pub(super) struct Object(Vec<u8>);

impl Object {
    /// `{"type":"<kind>"`; `kind` is one of our own names and needs no escaping.
    pub(super) fn new(kind: &'static str) -> Self {
        let mut text = Vec::with_capacity(384);
        for part in ["{\"type\":\"", kind, "\""] {
            text.extend_from_slice(part.as_bytes());
        }
        Self(text)
    }

    /// Adds a field. `name` is one of our own and needs no escaping.
    pub(super) fn field(mut self, name: &'static str, value: &(impl Serialize + ?Sized)) -> Self {
        for part in [",\"", name, "\":"] {
            self.0.extend_from_slice(part.as_bytes());
        }
        let begins = self.0.len();
        // Texts, numbers and lists of them: serde_json only fails on maps with strange keys.
        if serde_json::to_writer(&mut self.0, value).is_err() {
            self.0.truncate(begins);
            self.0.extend_from_slice(b"null");
        }
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
        self.0.push(b',');
        self.0.extend_from_slice(fields.as_bytes());
        self
    }

    /// The whole text.
    pub(super) fn end(mut self) -> String {
        self.0.push(b'}');
        // Nothing but texts went in, and serde_json writes UTF-8.
        String::from_utf8(self.0).unwrap_or_default()
    }
}
