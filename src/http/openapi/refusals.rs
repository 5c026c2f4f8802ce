//! Refusals as the document describes them: the closed table of codes, and for each call the ones that it may answer.

use std::{collections::BTreeMap, fmt::Write};

use http::StatusCode;
use serde_json::{Map, Value, json};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        AllOfBuilder, Content, Header, HeaderBuilder, ObjectBuilder, Ref, RefOr, Response, ResponseBuilder,
        Schema,
        extensions::ExtensionsBuilder,
        schema::{SchemaType, Type},
    },
};

use super::super::refusal::Shown;
use crate::error::{Advice, Code};

/// What any call may answer that asks the database.
pub(in crate::http) const ANY: &[Code] = &[Code::RateLimited, Code::Unavailable, Code::Internal];
/// What a call with a body may answer.
pub(in crate::http) const BODY: &[Code] = &[
    Code::InvalidJson,
    Code::InvalidRequest,
    Code::PayloadTooLarge,
    Code::UnsupportedMediaType,
];

/// Names a set of refusals, to stand among the responses of a `utoipa::path`.
macro_rules! refusals {
    ($(#[$doc:meta])* $name:ident: $($group:expr),* ; $($code:ident),* $(,)?) => {
        $(#[$doc])*
        pub(super) struct $name;

        impl utoipa::IntoResponses for $name {
            fn responses() -> std::collections::BTreeMap<
                String,
                utoipa::openapi::RefOr<utoipa::openapi::Response>,
            > {
                $crate::http::openapi::responses(&[$($group,)* &[$($crate::error::Code::$code),*]])
            }
        }
    };
}
pub(in crate::http) use refusals;

/// One response for each status among these codes.
pub(in crate::http) fn responses(groups: &[&[Code]]) -> BTreeMap<String, RefOr<Response>> {
    let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in groups.iter().flat_map(|group| group.iter()) {
        by_status.entry(code.status()).or_default().push(*code);
    }
    by_status
        .into_iter()
        .map(|(status, codes)| (status.to_string(), response(status, &codes).into()))
        .collect()
}

fn response(status: u16, codes: &[Code]) -> Response {
    let told: Vec<String> =
        codes.iter().map(|code| format!("`{}`: {}", code.as_str(), code.meaning())).collect();
    let narrowed = ObjectBuilder::new().property(
        "code",
        ObjectBuilder::new()
            .schema_type(SchemaType::new(Type::String))
            .enum_values(Some(codes.iter().map(|code| code.as_str()))),
    );
    let schema = AllOfBuilder::new().item(Ref::from_schema_name(Shown::name())).item(narrowed).build();
    let mut response = ResponseBuilder::new()
        .description(told.join("\n\n"))
        .content("application/json", Content::new(Some(Schema::from(schema))));
    if codes.iter().any(|code| code.advice() == Advice::TryAgain && *code != Code::Internal) {
        response = response.header("Retry-After", retry_after());
    }
    if status == StatusCode::UNAUTHORIZED {
        response = response.header("WWW-Authenticate", challenge());
    }
    response.build()
}

fn retry_after() -> Header {
    HeaderBuilder::new()
        .schema(Some(
            ObjectBuilder::new().schema_type(SchemaType::new(Type::Integer)).minimum(Some(1.0)),
        ))
        .description(Some("In how many seconds it makes sense to try again."))
        .build()
}

fn challenge() -> Header {
    HeaderBuilder::new()
        .schema(Some(ObjectBuilder::new().schema_type(SchemaType::new(Type::String))))
        .description(Some("`Bearer`, with `unauthorized`."))
        .build()
}

/// The whole table: an enum whose description has the column "try again?", also in `x-try-again` for programs.
impl PartialSchema for Code {
    fn schema() -> RefOr<Schema> {
        let mut told =
            "What programs go by. The table is closed.\n\n| code | try again? | means |\n|---|---|---|\n"
                .to_owned();
        let mut again = Map::new();
        for code in Self::ALL {
            let (name, advice) = (code.as_str(), code.advice().as_str());
            let _ = writeln!(told, "| `{name}` | {advice} | {} |", code.meaning());
            again.insert(name.to_owned(), Value::from(advice));
        }
        let advice = ExtensionsBuilder::new().add("x-try-again", json!(again)).build();
        ObjectBuilder::new()
            .schema_type(SchemaType::new(Type::String))
            .enum_values(Some(Self::ALL.iter().map(|code| code.as_str())))
            .description(Some(told))
            .extensions(Some(advice))
            .into()
    }
}

impl ToSchema for Code {
    fn name() -> std::borrow::Cow<'static, str> {
        "Code".into()
    }
}
