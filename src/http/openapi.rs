//! `GET /openapi.json`: the API for machines, in OpenAPI 3.1.
//!
//! Each handler describes itself (`utoipa::path`) and is put into the router by that description, so that no call is
//! there without it. What is no call of this module (sockets, the page) is described below. The document is made
//! when somebody first asks for it, and packed once.

mod nouns;
mod refusals;

use std::sync::LazyLock;

use axum::response::IntoResponse;
use http::{HeaderMap, header};
use utoipa::{
    Modify, OpenApi,
    openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
};

pub(super) use self::{
    nouns::*,
    refusals::{ANY, BODY, refusals, responses},
};
use super::{packed::Packed, refusal::Shown, server::Counted};
use crate::error::Code;

/// The document as it is sent. Nothing in it depends on a setting.
static DOCUMENT: LazyLock<Packed> = LazyLock::new(|| {
    // It is made of text and numbers alone, which always are JSON.
    Packed::new(super::described().to_json().unwrap_or_default())
});

/// What is the same for the whole document, and what no handler of this module answers.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Chorus",
        description = "A self-hosted real-time chat. Bodies are JSON of at most 16 KiB; unknown fields are ignored. \
            Every refusal is `{\"message\", \"code\"}`: the code is for programs. Any path and method that is not \
            here is refused with 404 `not_found` or 405 `method_not_allowed`. Every answer carries `X-Request-Id`, \
            which the server's log has, too. Calls without sign-in are limited per address, those with one per \
            person: what is too much is refused with 429 `rate_limited`, and `Retry-After` says when to come back. \
            docs/protocol.md tells the rest, and docs/schema has the frames of the WebSocket.",
    ),
    paths(socket, page),
    // What handlers name only in paths and queries is not found by itself.
    components(schemas(Code, Shown<'static>, AfterRoom, MessageId, PageSize, RoomName, Seq)),
    tags(
        (name = "accounts", description = "Who somebody is"),
        (name = "rooms", description = "Rooms, and what is said in them"),
        (name = "socket", description = "The WebSocket"),
        (name = "server", description = "About this server"),
    ),
    modifiers(&Bearer),
)]
pub(super) struct Base;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "A token of `/login`, `/refresh` or `/password`; or one that the operator made for a program by \
                 `chorus token create`, with which only rooms within its scope and `/ws-ticket` can be used.",
            ))
            .build();
        let parts = document.components.get_or_insert_default();
        parts.add_security_scheme("bearer", SecurityScheme::Http(scheme));
        // The crate's own licence and address are nobody's business here.
        document.info.contact = None;
    }
}

refusals! {
    /// What a coming socket may be refused with.
    Opening: ;
    InvalidRequest, UnsupportedProtocol, Unauthorized, ForbiddenOrigin, TooManySockets, Unavailable, Draining
}

/// The WebSocket, in the dialect that the subprotocol `chorus.v1` or its absence chooses. Who can't set headers, as
/// pages, shows a ticket of `/ws-ticket`. The first credential of ticket, header and token counts.
#[utoipa::path(
    get, operation_id = "openSocket", path = "/ws", tag = "socket",
    security(("bearer" = []), ()),
    params(
        ("ticket" = Option<String>, Query, description = "A ticket of `/ws-ticket`, good once"),
        ("token" = Option<String>, Query, description = "A token, as the predecessor's clients send it; \
            unless ALLOW_QUERY_TOKEN=false"),
        ("Sec-WebSocket-Protocol" = Option<String>, Header, description = "`chorus.v1`, or nothing for the dialect of the \
            predecessor"),
    ),
    responses((status = 101, description = "The socket is open"), Opening),
)]
#[expect(dead_code, reason = "`ws` answers it; here it is only described")]
const fn socket() {}

/// The browser client; its files are beside it. An Upgrade here is a socket, as on `/ws`.
#[utoipa::path(
    get, operation_id = "getPage", path = "/", tag = "server",
    responses((status = 200, description = "The page", content_type = "text/html", body = String)),
)]
#[expect(
    dead_code,
    reason = "the client's own module answers it; here it is only described"
)]
const fn page() {}

/// This document.
#[utoipa::path(
    get, operation_id = "getDocument", path = "/openapi.json", tag = "server",
    responses(
        (status = 200, description = "OpenAPI 3.1", content_type = "application/json", body = Object),
        Counted,
    ),
)]
pub(super) async fn document(headers: HeaderMap) -> impl IntoResponse {
    (
        [
            (header::CONTENT_TYPE, "application/json"),
            (header::CACHE_CONTROL, "no-cache"),
        ],
        DOCUMENT.for_asker(&headers).await,
    )
}
