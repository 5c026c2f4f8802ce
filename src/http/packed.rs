//! A text that is sent often: by Brotli to those who understand it, packed once, when it is first asked for.

use axum::{
    body::Bytes,
    response::{IntoResponse, Response},
};
use brotli::enc::{BrotliEncoderParams, backward_references::BrotliEncoderMode};
use http::{HeaderMap, HeaderValue, header};
use tokio::sync::OnceCell;

/// A text in both forms.
#[derive(Debug)]
pub(super) struct Packed {
    plain: Bytes,
    packed: OnceCell<Option<Bytes>>,
}

impl Packed {
    /// Of this text, which is not packed yet.
    pub(super) fn new(plain: impl Into<Bytes>) -> Self {
        Self { plain: plain.into(), packed: OnceCell::new() }
    }

    /// As it is.
    pub(super) const fn plain(&self) -> &Bytes {
        &self.plain
    }

    /// The form for whoever asks with these headers.
    pub(super) async fn for_asker(&self, asked: &HeaderMap) -> Form {
        let packed = if takes_brotli(asked) { self.packed().await } else { None };
        Form {
            is_packed: packed.is_some(),
            content: packed.unwrap_or_else(|| self.plain.clone()),
        }
    }

    /// By Brotli as far as it goes. It takes some milliseconds of the first who asks.
    pub(super) async fn packed(&self) -> Option<Bytes> {
        let plain = self.plain.clone();
        let pack = || async { tokio::task::spawn_blocking(move || pack(&plain)).await.ok()? };
        self.packed.get_or_init(pack).await.clone()
    }
}

/// One of the two forms.
pub(super) struct Form {
    pub(super) content: Bytes,
    is_packed: bool,
}

impl Form {
    /// Says in an answer that carries it which it is.
    pub(super) fn mark(&self, headers: &mut HeaderMap) {
        if self.is_packed {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("br"));
        }
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
}

impl IntoResponse for Form {
    fn into_response(self) -> Response {
        let mut response = self.content.clone().into_response();
        self.mark(response.headers_mut());
        response
    }
}

/// Whether somebody says that they understand Brotli.
fn takes_brotli(asked: &HeaderMap) -> bool {
    let offers = asked.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    offers.flat_map(|value| value.split(',')).any(|offer| {
        let mut parts = offer.split(';').map(str::trim);
        let refused = |weight: &str| {
            weight
                .strip_prefix("q=")
                .is_some_and(|weight| weight.parse::<f32>().is_ok_and(|weight| weight <= 0.0))
        };
        parts.next().is_some_and(|name| name.eq_ignore_ascii_case("br")) && !parts.any(refused)
    })
}

fn pack(plain: &[u8]) -> Option<Bytes> {
    let params = BrotliEncoderParams {
        mode: BrotliEncoderMode::BROTLI_MODE_TEXT,
        size_hint: plain.len(),
        ..BrotliEncoderParams::default()
    };
    let mut packed = Vec::with_capacity(plain.len() / 3);
    brotli::BrotliCompress(&mut &*plain, &mut packed, &params).ok()?;
    Some(packed.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brotli_is_for_those_who_ask_for_it() {
        let asked = |value: &'static str| {
            takes_brotli(&HeaderMap::from_iter([(
                header::ACCEPT_ENCODING,
                HeaderValue::from_static(value),
            )]))
        };
        assert!(asked("br") && asked("gzip, deflate, br, zstd") && asked("gzip;q=0.5,BR;q=0.8"));
        assert!(
            !asked("gzip")
                && !asked("br;q=0")
                && !asked("br; q=0.000, gzip")
                && !asked("brotli")
                && !asked("")
        );
        assert!(!takes_brotli(&HeaderMap::new()));
    }

    #[tokio::test]
    async fn both_forms_are_the_same_text_and_it_is_packed_once() {
        let text = Packed::new("all the same ".repeat(100));
        let asked = HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static("br"))]);
        let first = text.for_asker(&asked).await;
        assert!(first.is_packed && first.content.len() < text.plain().len());
        let mut unpacked = Vec::new();
        brotli::BrotliDecompress(&mut &*first.content, &mut unpacked).unwrap();
        assert_eq!(unpacked, *text.plain());
        let again = text.for_asker(&asked).await;
        assert_eq!(again.content.as_ptr(), first.content.as_ptr(), "the same bytes");
        let plain = text.for_asker(&HeaderMap::new()).await;
        assert_eq!((plain.is_packed, &plain.content), (false, text.plain()));
    }
}
