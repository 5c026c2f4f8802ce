//! Bodies and queries: JSON of at most 16 KiB that arrives within 8 s, or a refusal that says what
//! is wrong without repeating it.

use std::time::Duration;

use axum::{
    body::{Body, HttpBody},
    extract::{FromRequest, FromRequestParts, Query, Request},
};
use bytes::Bytes;
use http::{HeaderMap, header, request::Parts};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::error::{Code, Refusal};

/// The most bytes of a body.
const BODY_BYTES: usize = 16 * 1024;
/// Within this time a body must be whole; who sends it byte by byte is cut.
const PATIENCE: Duration = Duration::from_secs(8);

/// A JSON body.
pub(super) struct Json<T>(pub(super) T);

/// A JSON body, or none at all.
pub(super) struct MaybeJson<T>(pub(super) Option<T>);

/// The query, of which all parts are text.
pub(super) struct Asked<T>(pub(super) T);

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        if !is_json(request.headers()) {
            return Err(not_json());
        }
        parse(&read(request.into_body()).await?).map(Self)
    }
}

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for MaybeJson<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        if request.body().is_end_stream() {
            return Ok(Self(None));
        }
        let declared = is_json(request.headers());
        let bytes = read(request.into_body()).await?;
        match (bytes.is_empty(), declared) {
            (true, _) => Ok(Self(None)),
            // `null` is none, too.
            (false, true) => parse(&bytes).map(Self),
            (false, false) => Err(not_json()),
        }
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(asked)) => Ok(Self(asked)),
            Err(_) => Err(invalid("The query can't be read.")),
        }
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let declared = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = declared.and_then(|value| value.split(';').next()).map(str::trim);
    kind.is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"))
}

async fn read(body: Body) -> Result<Bytes, Refusal> {
    // A body that declares too much is refused before a byte of it is read.
    if body.size_hint().lower() > BODY_BYTES as u64 {
        return Err(too_large());
    }
    match timeout(PATIENCE, Limited::new(body, BODY_BYTES).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(invalid("The body is broken.")),
        Err(_) => Err(invalid("The body did not arrive in time.")),
    }
}

/// The parser stops at a depth of 128, and a field that is given twice is an error of its type.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(bytes).map_err(|error| {
        if error.is_data() {
            invalid("The body is not what is asked for here: a field is missing, doubled or of another type.")
        } else {
            Refusal::new(Code::InvalidJson, "The body is not JSON.")
        }
    })
}

/// JSON or a query, but not what was asked for.
pub(super) fn invalid(message: &'static str) -> Refusal {
    Refusal::new(Code::InvalidRequest, message)
}

fn not_json() -> Refusal {
    Refusal::new(Code::UnsupportedMediaType, "The body must be declared as application/json.")
}

fn too_large() -> Refusal {
    Refusal::new(Code::PayloadTooLarge, "The body is larger than 16 KiB.")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Pair {
        a: String,
        #[serde(default)]
        b: Option<u32>,
    }

    fn code(text: &str) -> Result<(String, Option<u32>), Code> {
        parse::<Pair>(text.as_bytes())
            .map(|pair| (pair.a, pair.b))
            .map_err(|refusal| refusal.code)
    }

    #[test]
    fn what_is_wrong_gets_its_code() {
        assert_eq!(code(r#"{"a":"x","unknown":[1]}"#), Ok(("x".to_owned(), None)));
        for bad in [
            "",
            "{",
            "nope",
            r#"{"a":"x"} trailing"#,
            "{\"a\":\"\u{1}\"}",
            r#"{"a":"\ud800"}"#,
        ] {
            assert_eq!(code(bad), Err(Code::InvalidJson), "{bad}");
        }
        for bad in [
            "[]",
            "1",
            "{}",
            r#"{"a":1}"#,
            r#"{"a":"x","a":"y"}"#,
            r#"{"a":"x","b":-1}"#,
            r#"{"a":null}"#,
        ] {
            assert_eq!(code(bad), Err(Code::InvalidRequest), "{bad}");
        }
    }

    #[test]
    fn depth_does_not_overflow() {
        let deep = "[".repeat(5000) + &"]".repeat(5000);
        assert!(code(&deep).is_err());
        assert!(code(&format!(r#"{{"a":{deep}}}"#)).is_err());
        // An ignored field is skipped without recursion.
        let _ = code(&format!(r#"{{"a":"x","z":{deep}}}"#));
    }

    #[tokio::test(start_paused = true)]
    async fn a_dribbled_body_is_cut() {
        let endless = futures_util::stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Some((Ok::<_, std::io::Error>(Bytes::from_static(b" ")), ()))
        });
        let began = tokio::time::Instant::now();
        let refused = read(Body::from_stream(endless)).await.unwrap_err();
        assert_eq!(refused.code, Code::InvalidRequest);
        assert!(began.elapsed() < Duration::from_secs(10));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse::<Pair>(&bytes);
        }
    }
}
