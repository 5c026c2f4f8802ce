//! Refusals as responses: `{"message","code"}` with the table's status. A cause is logged here,
//! once, and never shown.

use std::any::Any;

use axum::{
    Json,
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::{Code, Refusal};

/// A refusal.
#[derive(Serialize, ToSchema)]
#[schema(as = Error)]
pub(super) struct Shown<'a> {
    /// For people.
    message: &'a str,
    code: Code,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        log_cause(&self);
        let status = StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let shown = Shown { message: &self.message, code: self.code };
        let mut response = (status, Json(shown)).into_response();
        if let Some(wait) = self.retry_after {
            // Whole seconds, rounded up: trying earlier would be in vain.
            let seconds = wait.as_millis().div_ceil(1000).max(1);
            if let Ok(value) = HeaderValue::from_str(&seconds.to_string()) {
                response.headers_mut().insert(header::RETRY_AFTER, value);
            }
        }
        if self.code == Code::Unauthorized {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

fn log_cause(refusal: &Refusal) {
    let Some(cause) = &refusal.cause else { return };
    let code = refusal.code.as_str();
    if refusal.code == Code::Internal {
        tracing::error!(code, %cause, "a request failed");
    } else {
        tracing::warn!(code, %cause, "a request could not be served");
    }
}

/// What a caller gets when a handler panics; the panic itself is logged by the panic hook.
pub(super) fn panicked(_: Box<dyn Any + Send>) -> Response<Body> {
    Refusal::internal().into_response()
}

/// No such path.
pub(super) fn not_found() -> Refusal {
    Refusal::new(Code::NotFound, "There is nothing at this address.")
}

/// A known path, asked in another way than it can be.
pub(super) async fn method_not_allowed() -> Refusal {
    Refusal::new(Code::MethodNotAllowed, "This address can't be asked in that way.")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn retry_after_is_whole_seconds_rounded_up() {
        for (wait, header) in [(1, "1"), (999, "1"), (1000, "1"), (1001, "2"), (18_000, "18")] {
            let refusal = Refusal::unavailable().retry_after(Duration::from_millis(wait));
            assert_eq!(refusal.into_response().headers()[header::RETRY_AFTER], header);
        }
    }

    #[test]
    fn every_code_has_its_status() {
        for code in Code::ALL {
            let response = Refusal::new(*code, "…").into_response();
            assert_eq!(response.status().as_u16(), code.status());
        }
    }
}
