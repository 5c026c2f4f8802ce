//! The opening handshake (RFC 6455, section 4.2): is this a request for a WebSocket, in which
//! dialect, and what is the answer.

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::{BufMut, Bytes, BytesMut};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Version,
    header::{
        CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
        UPGRADE,
    },
    request::Parts,
};
use tungstenite::handshake::derive_accept_key;

use crate::{
    error::{Code, Refusal},
    protocol::{Dialect, SUBPROTOCOL},
};

/// Whether a request wants to become a WebSocket; whether it may is decided later.
pub fn asks_for_upgrade(headers: &HeaderMap) -> bool {
    has_token(headers, &UPGRADE, "websocket")
}

/// What a right request says.
#[derive(Debug, Clone)]
pub(super) struct Handshake {
    pub(super) dialect: Dialect,
    accept: String,
}

impl Handshake {
    /// Checks a request.
    ///
    /// # Errors
    /// `method_not_allowed`, `invalid_request` or `unsupported_protocol`.
    pub(super) fn read(parts: &Parts) -> Result<Self, Refusal> {
        if parts.method != Method::GET {
            return Err(Refusal::new(Code::MethodNotAllowed, "A WebSocket is opened by GET."));
        }
        let headers = &parts.headers;
        let complete = parts.version == Version::HTTP_11
            && asks_for_upgrade(headers)
            && has_token(headers, &CONNECTION, "upgrade")
            && headers.get(SEC_WEBSOCKET_VERSION).is_some_and(|version| version == "13");
        let key = headers.get(SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes);
        match key.filter(|key| complete && is_key(key)) {
            Some(key) => Ok(Self { dialect: dialect(headers)?, accept: derive_accept_key(key) }),
            None => Err(Refusal::new(
                Code::InvalidRequest,
                "This is not a WebSocket handshake of version 13.",
            )),
        }
    }

    /// The answer that opens the socket.
    pub(super) fn answer(&self) -> Response<()> {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        // Base64 is always a header value.
        if let Ok(accept) = HeaderValue::from_str(&self.accept) {
            headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
        }
        if self.dialect == Dialect::V1 {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
        }
        response
    }

    /// The same as HTTP writes it, with one more line.
    pub(super) fn written_answer(&self, (name, value): (HeaderName, HeaderValue)) -> Bytes {
        let mut written = BytesMut::with_capacity(256);
        written.put_slice(b"HTTP/1.1 101 Switching Protocols\r\n");
        let mut answer = self.answer();
        answer.headers_mut().insert(name, value);
        for (name, value) in answer.headers() {
            for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
                written.put_slice(part);
            }
        }
        written.put_slice(b"\r\n");
        written.freeze()
    }
}

/// None offered is the predecessor's dialect; ours among several is ours.
fn dialect(headers: &HeaderMap) -> Result<Dialect, Refusal> {
    let mut offered = tokens(headers, &SEC_WEBSOCKET_PROTOCOL).peekable();
    if offered.peek().is_none() {
        Ok(Dialect::Seed)
    } else if offered.any(|name| name == SUBPROTOCOL) {
        Ok(Dialect::V1)
    } else {
        Err(Refusal::new(
            Code::UnsupportedProtocol,
            "None of the offered subprotocols is spoken here; chorus.v1 is.",
        ))
    }
}

fn is_key(key: &[u8]) -> bool {
    BASE64_STANDARD.decode(key).is_ok_and(|nonce| nonce.len() == 16)
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    tokens(headers, name).any(|it| it.eq_ignore_ascii_case(token))
}

/// The comma-separated values of all headers of this name.
fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn parts(change: impl FnOnce(&mut Parts)) -> Parts {
        let request = Request::get("/ws")
            .header("Connection", "keep-alive, Upgrade")
            .header("Upgrade", "WebSocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
        let (mut parts, ()) = request.body(()).unwrap().into_parts();
        change(&mut parts);
        parts
    }

    fn offering(offers: &[&'static str]) -> Result<Dialect, Code> {
        let parts = parts(|parts| {
            for offer in offers {
                parts.headers.append(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(offer));
            }
        });
        Handshake::read(&parts).map(|it| it.dialect).map_err(|refusal| refusal.code)
    }

    #[test]
    fn the_key_of_the_rfc_gets_its_answer() {
        let answer = Handshake::read(&parts(|_| {})).unwrap().answer();
        assert_eq!(answer.status(), 101);
        assert_eq!(answer.headers()[SEC_WEBSOCKET_ACCEPT], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert!(!answer.headers().contains_key(SEC_WEBSOCKET_PROTOCOL));
    }

    #[test]
    fn it_is_written_as_http_does() {
        let ours = parts(|parts| {
            parts.headers.append(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
        });
        let id = (HeaderName::from_static("x-request-id"), HeaderValue::from_static("7"));
        let written = Handshake::read(&ours).unwrap().written_answer(id);
        let mut lines: Vec<&str> = std::str::from_utf8(&written).unwrap().split("\r\n").collect();
        lines[1..6].sort_unstable();
        assert_eq!(
            lines,
            [
                "HTTP/1.1 101 Switching Protocols",
                "connection: upgrade",
                "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
                "sec-websocket-protocol: chorus.v1",
                "upgrade: websocket",
                "x-request-id: 7",
                "",
                "",
            ]
        );
    }

    #[test]
    fn the_subprotocol_chooses_the_dialect() {
        assert_eq!(offering(&[]), Ok(Dialect::Seed));
        assert_eq!(offering(&["chorus.v1"]), Ok(Dialect::V1));
        assert_eq!(offering(&["chorus.v9, chorus.v1"]), Ok(Dialect::V1));
        assert_eq!(offering(&["graphql-ws", "chorus.v1"]), Ok(Dialect::V1));
        assert_eq!(offering(&["chorus.v2"]), Err(Code::UnsupportedProtocol));
        assert_eq!(offering(&["CHORUS.V1"]), Err(Code::UnsupportedProtocol));
    }

    #[test]
    fn anything_but_a_handshake_is_refused() {
        let refused = |change: fn(&mut Parts)| Handshake::read(&parts(change)).unwrap_err().code;
        assert_eq!(refused(|parts| parts.method = Method::POST), Code::MethodNotAllowed);
        for change in [
            (|parts| parts.version = Version::HTTP_10) as fn(&mut Parts),
            |parts| drop(parts.headers.remove(UPGRADE)),
            |parts| drop(parts.headers.remove(CONNECTION)),
            |parts| drop(parts.headers.remove(SEC_WEBSOCKET_KEY)),
            |parts| drop(parts.headers.insert(SEC_WEBSOCKET_KEY, HeaderValue::from_static("short"))),
            |parts| drop(parts.headers.remove(SEC_WEBSOCKET_VERSION)),
            |parts| drop(parts.headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("8"))),
        ] {
            assert_eq!(refused(change), Code::InvalidRequest);
        }
    }
}
