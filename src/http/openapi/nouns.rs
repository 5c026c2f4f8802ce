//! The nouns of the API as the document describes them: what is parsed from untrusted text, with the same bounds.
//! They are only described here; `domain` parses them, and the tests below hold the two together.

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ObjectBuilder, RefOr, Schema,
        schema::{SchemaType, Type},
    },
};

/// 3 to 50 of `A-Z a-z 0-9 _`; names that differ only in case are one name.
#[derive(ToSchema)]
#[schema(pattern = "^[A-Za-z0-9_]{3,50}$", example = "alice")]
#[expect(dead_code, reason = "described, not made")]
pub(in crate::http) struct Username(String);

/// A name as it is kept. What the predecessor took may not fit today's rule.
#[derive(ToSchema)]
#[schema(example = "alice")]
#[expect(dead_code, reason = "described, not made")]
pub(in crate::http) struct KnownName(String);

/// 8 to 128 characters (Unicode scalar values), none of them NUL.
#[derive(ToSchema)]
#[schema(min_length = 8, max_length = 128, pattern = r"^[^\x00]*$", format = Password, example = "correct horse")]
#[expect(dead_code, reason = "described, not made")]
pub(in crate::http) struct Password(String);

/// 1 to 50 of `a-z 0-9 _ -`, beginning with a letter or a digit. `lobby` is always there.
#[derive(ToSchema)]
#[schema(pattern = "^[a-z0-9][a-z0-9_-]{0,49}$", example = "lobby")]
#[expect(dead_code, reason = "described, not made")]
pub(in crate::http) struct RoomName(String);

/// The name of a room as a place in their order; empty is as if not given.
#[derive(ToSchema)]
#[schema(pattern = "^([a-z0-9][a-z0-9_-]{0,49})?$", example = "lobby")]
#[expect(dead_code, reason = "described, not made")]
pub(in crate::http) struct AfterRoom(String);

/// Yours, another one for each of your messages in a room; the same again with the same text is the same message.
#[derive(ToSchema)]
#[schema(pattern = "^[A-Za-z0-9_-]{1,64}$", example = "my-1")]
#[expect(dead_code, reason = "described, not made")]
pub(in crate::http) struct MessageId(String);

/// At least one visible character, at most `limits.messageChars` of `GET /server`, counted in Unicode scalar values
/// after control characters (not newline and tab) and those that turn the direction of text are removed, and white
/// space around it is.
#[derive(ToSchema)]
#[schema(
    pattern = r"[^\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028-\u202f\u205f\u2066-\u2069\u3000]",
    example = "Hello"
)]
#[expect(dead_code, reason = "described, not made")]
pub(in crate::http) struct MessageText(String);

/// The number of a message in its room: 1, 2, 3 … without a gap. 0 is before the first.
#[derive(ToSchema)]
#[schema(minimum = 0, maximum = 9_223_372_036_854_775_807_i64, example = 58)]
#[expect(dead_code, reason = "described, not made")]
pub(in crate::http) struct Seq(i64);

/// By the server's clock: RFC 3339 in UTC, with milliseconds.
#[derive(ToSchema)]
#[schema(format = DateTime, example = "2026-01-02T03:04:05.678Z")]
#[expect(dead_code, reason = "described, not made")]
pub(in crate::http) struct Moment(String);

/// A JWT, to be shown as `Authorization: Bearer`.
#[derive(ToSchema)]
#[expect(dead_code, reason = "described, not made")]
pub(in crate::http) struct Token(String);

/// How many entries a page has at most. Any number: a format would bound it.
pub(in crate::http) struct PageSize;

impl PartialSchema for PageSize {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::new(Type::Integer))
            .minimum(Some(1.0))
            .description(Some(
                "How many entries a page has at most: 50 when it is not given or empty, and more than 200 count as 200.",
            ))
            .into()
    }
}

impl ToSchema for PageSize {}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use jsonschema::Validator;
    use proptest::prelude::*;
    use serde_json::json;
    use utoipa::PartialSchema;

    use crate::domain;

    type Parses = fn(&str) -> bool;

    /// Each noun as it is described, and as it is parsed.
    static NOUNS: LazyLock<[(Validator, Parses); 5]> = LazyLock::new(|| {
        [
            (described::<super::Username>(), |text| domain::Username::parse(text).is_ok()),
            (described::<super::Password>(), |text| domain::Password::parse(text).is_ok()),
            (described::<super::RoomName>(), |text| domain::RoomName::parse(text).is_ok()),
            (described::<super::MessageId>(), |text| domain::ClientId::parse(text).is_ok()),
            (described::<super::MessageText>(), |text| {
                domain::MessageBody::parse(text, usize::MAX).is_ok()
            }),
        ]
    });

    fn described<T: PartialSchema>() -> Validator {
        jsonschema::validator_for(&serde_json::to_value(T::schema()).unwrap()).unwrap()
    }

    proptest! {
        #[test]
        fn what_is_described_is_what_is_parsed(
            text in prop_oneof![
                "[A-Za-z0-9_-]{0,70}",
                "[a-z0-9][a-z0-9_-]{45,55}",
                "[ \\x00\\n\\u{85}\\u{a0}\\u{2003}\\u{202e}\\u{2066}\\u{feff}\\u{3000}]{0,12}",
                "\\PC{0,12}",
                "a{120,132}",
            ]
        ) {
            let value = json!(text);
            for (noun, (schema, parses)) in NOUNS.iter().enumerate() {
                prop_assert_eq!(schema.is_valid(&value), parses(&text), "noun {}: {:?}", noun, text);
            }
        }
    }
}
