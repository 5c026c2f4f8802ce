//! The browser client: built into the binary, or read from `CLIENT_DIR` at each request so that
//! an edited file is served at once.
//!
//! Every file has an `ETag` from its content and is asked for again each time (`no-cache`), which
//! costs a 304: a new version of the client is never mixed with an old one.
//!
//! Built-in files are compressed by Brotli as far as it goes, each once, when it is first asked for.
//! The page, its scripts and styles are served without indentation and without what is there for whoever
//! reads the code (comments that fill whole lines, types): a quarter of what a first visit would load. What
//! is served from `CLIENT_DIR` is as it is written.
//! What a style imports stands in its place, so that a page waits for one file and not for six.
//!
//! The sdk is for pages of other origins too, and a browser loads a module from elsewhere only if
//! its server lets everybody read it. Whether such a page may also call is the origin list's matter;
//! the sdk can say so only once it is loaded.

use std::{
    borrow::Cow,
    collections::HashMap,
    path::Path,
    sync::{Arc, LazyLock},
};

use axum::{
    body::{Body, Bytes},
    extract::{Request, State as Extract},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use rust_embed::RustEmbed;
use sha2::{Digest, Sha256};

use super::{State, packed::Packed, refusal};
use crate::error::Refusal;

#[derive(RustEmbed)]
#[folder = "client/"]
struct BuiltIn;

/// The page that `/` is.
const PAGE: &str = "index.html";

/// What pages of any origin may load.
const SDK: &str = "sdk/";

/// A built-in file as it is served.
struct File {
    text: Packed,
    tag: String,
}

impl File {
    fn new(name: &str, content: Cow<'static, [u8]>) -> Self {
        let plain = match lean(name, whole(name, content)) {
            Cow::Borrowed(bytes) => Bytes::from_static(bytes),
            Cow::Owned(bytes) => bytes.into(),
        };
        Self { tag: tag_of(&plain), text: Packed::new(plain) }
    }
}

static FILES: LazyLock<HashMap<String, File>> = LazyLock::new(|| {
    let file =
        |name: Cow<'static, str>| Some((name.to_string(), File::new(&name, BuiltIn::get(&name)?.data)));
    BuiltIn::iter().filter_map(file).collect()
});

/// Any path that is no call: a file of the client, or not found.
pub(super) async fn file(Extract(state): Extract<Arc<State>>, request: Request) -> Result<Response, Refusal> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Err(refusal::not_found());
    }
    let name = name_of(request.uri().path()).ok_or_else(refusal::not_found)?;
    if let Some(dir) = &state.config.client_dir {
        let content = read(dir, name).await.ok_or_else(refusal::not_found)?;
        let tag = tag_of(&content);
        return Ok(answer(name, &tag, content, request.headers()));
    }
    let file = FILES.get(name).ok_or_else(refusal::not_found)?;
    if !is_text(name) {
        return Ok(answer(name, &file.tag, file.text.plain().clone(), request.headers()));
    }
    let form = file.text.for_asker(request.headers()).await;
    let mut response = answer(name, &file.tag, form.content.clone(), request.headers());
    form.mark(response.headers_mut());
    Ok(response)
}

/// The client's name in `welcome`: changes whenever a built-in file changes.
pub fn build() -> String {
    let mut names: Vec<_> = BuiltIn::iter().collect();
    names.sort_unstable();
    let mut sum = Sha256::new();
    for file in names.iter().filter_map(|name| BuiltIn::get(name)) {
        sum.update(file.metadata.sha256_hash());
    }
    let sum = URL_SAFE_NO_PAD.encode(sum.finalize());
    format!("{}-{}", env!("CARGO_PKG_VERSION"), &sum[..8])
}

/// The file a path names. Nothing hidden, nothing outside: each part is a plain name.
fn name_of(path: &str) -> Option<&str> {
    let name = path.strip_prefix('/')?;
    let name = if name.is_empty() { PAGE } else { name };
    let plain = |part: &str| {
        let bytes = part.bytes();
        !part.is_empty()
            && !part.starts_with('.')
            && bytes.into_iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
    };
    name.split('/').all(plain).then_some(name)
}

/// Follows links only to places inside of `dir`.
async fn read(dir: &Path, name: &str) -> Option<Bytes> {
    let dir = tokio::fs::canonicalize(dir).await.ok()?;
    let place = tokio::fs::canonicalize(dir.join(name)).await.ok()?;
    if !place.starts_with(&dir) {
        return None;
    }
    tokio::fs::read(place).await.ok().map(Bytes::from)
}

/// A style with the styles of its own folder that it imports, each by a line of its own. Imports in those
/// are left to the browser.
fn whole(name: &str, content: Cow<'static, [u8]>) -> Cow<'static, [u8]> {
    let Some((folder, _)) = name.rsplit_once('/').filter(|_| extension(name) == "css") else {
        return content;
    };
    let mut whole = Vec::with_capacity(content.len());
    for line in content.split_inclusive(|byte| *byte == b'\n') {
        match imported(line).and_then(|part| BuiltIn::get(&format!("{folder}/{part}"))) {
            Some(part) => whole.extend_from_slice(&part.data),
            None => whole.extend_from_slice(line),
        }
    }
    Cow::Owned(whole)
}

/// What a line of a style imports.
fn imported(line: &[u8]) -> Option<&str> {
    std::str::from_utf8(line).ok()?.trim().strip_prefix("@import '")?.strip_suffix("';")
}

/// A file of the page without indentation, empty lines and comments that fill whole lines, and a script also
/// without the types within its lines. Needs no parser, because in the client's files no text goes over a
/// line's end and none looks like a type (`tests/client/page.test.mjs` holds them to that).
fn lean(name: &str, content: Cow<'static, [u8]>) -> Cow<'static, [u8]> {
    let kind = extension(name);
    let (opening, closing) = match kind {
        "js" | "css" => ("/*", "*/"),
        "html" => ("<!--", "-->"),
        _ => return content,
    };
    let Ok(text) = std::str::from_utf8(&content) else { return content };
    let mut kept = String::with_capacity(text.len());
    let mut lines = text.split_inclusive('\n');
    while let Some(line) = lines.next() {
        let mut comment = vec![line];
        if let Some(inside) = line.trim_start().strip_prefix(opening) {
            let mut last = inside;
            while !last.contains(closing)
                && let Some(next) = lines.next()
            {
                comment.push(next);
                last = next;
            }
            // What goes on behind the comment's end is code.
            if last.trim_end().ends_with(closing) && last.matches(closing).count() == 1 {
                continue;
            }
        } else if kind == "js" && line.trim_start().starts_with("//") {
            continue;
        }
        for line in comment.into_iter().map(str::trim_start) {
            if kind == "js" { untyped(line, &mut kept) } else { kept.push_str(line) }
        }
    }
    Cow::Owned(kept.into_bytes())
}

/// A line of a script without the types in it: `/** @type {A} */`, and one space behind each.
fn untyped(line: &str, kept: &mut String) {
    let mut rest = line;
    while let Some((before, typed)) = rest.split_once("/** @")
        && let Some((_, after)) = typed.split_once("*/")
    {
        kept.push_str(before);
        rest = after.strip_prefix(' ').unwrap_or(after);
    }
    kept.push_str(rest);
}

/// Weak, because a compressed answer carries the same one.
fn tag_of(content: &[u8]) -> String {
    format!("W/\"{}\"", URL_SAFE_NO_PAD.encode(&Sha256::digest(content)[..6]))
}

fn answer(name: &str, tag: &str, content: Bytes, asked: &HeaderMap) -> Response {
    let known = asked.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let unchanged = known.flat_map(|tags| tags.split(',')).any(|known| known.trim() == tag);
    let mut response = if unchanged {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Response::new(Body::from(content))
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(name)));
    if let Ok(tag) = HeaderValue::from_str(tag) {
        headers.insert(header::ETAG, tag);
    }
    if name.starts_with(SDK) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    }
    response
}

fn extension(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(_, extension)| extension)
}

/// Whether compressing it gains anything.
fn is_text(name: &str) -> bool {
    matches!(
        extension(name),
        "html" | "js" | "mjs" | "css" | "svg" | "json" | "map" | "webmanifest" | "txt" | "md" | "ts"
    )
}

fn content_type(name: &str) -> &'static str {
    match extension(name) {
        "html" => "text/html; charset=utf-8",
        // Modules are UTF-8 whatever is said, and what a page names is what the page is.
        "js" | "mjs" => "text/javascript",
        "css" => "text/css",
        "svg" => "image/svg+xml",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "png" => "image/png",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" | "md" | "ts" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_path_is_a_plain_name() {
        assert_eq!(name_of("/"), Some("index.html"));
        assert_eq!(name_of("/sdk/api.js"), Some("sdk/api.js"));
        for bad in [
            "",
            "//etc/passwd",
            "/../Cargo.toml",
            "/sdk/../../x",
            "/.env",
            "/sdk/",
            "/%2e%2e/x",
            "/a\\b",
            "/a b",
        ] {
            assert_eq!(name_of(bad), None, "{bad}");
        }
    }

    #[tokio::test]
    async fn links_out_of_the_folder_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (inside, secret) = (dir.path().join("client"), dir.path().join("secret"));
        std::fs::create_dir(&inside).unwrap();
        std::fs::write(&secret, "secret").unwrap();
        std::fs::write(inside.join("page.html"), "page").unwrap();
        std::os::unix::fs::symlink(&secret, inside.join("link.html")).unwrap();
        assert_eq!(read(&inside, "page.html").await.unwrap().as_ref(), b"page");
        assert!(read(&inside, "link.html").await.is_none());
        assert!(read(&inside, "none.html").await.is_none());
    }

    #[test]
    fn an_unchanged_file_is_not_sent_again() {
        let get = |content: &'static [u8], asked: &HeaderMap| {
            answer("a.js", &tag_of(content), content.into(), asked)
        };
        let first = get(b"1", &HeaderMap::new());
        assert_eq!(first.status(), 200);
        let mut asked = HeaderMap::new();
        asked.insert(header::IF_NONE_MATCH, first.headers()[header::ETAG].clone());
        assert_eq!(get(b"1", &asked).status(), 304);
        assert_eq!(get(b"2", &asked).status(), 200);
    }

    #[tokio::test]
    async fn what_is_packed_is_the_file() {
        for (name, file) in FILES.iter().filter(|(name, _)| is_text(name)) {
            let mut unpacked = Vec::new();
            brotli::BrotliDecompress(&mut &*file.text.packed().await.unwrap(), &mut unpacked).unwrap();
            assert_eq!(unpacked, *file.text.plain(), "{name}");
        }
    }

    #[test]
    fn a_style_is_served_with_what_it_imports() {
        let page = std::str::from_utf8(FILES["styles/page.css"].text.plain()).unwrap();
        assert!(!page.contains("@import"));
        for part in ["tokens", "layout", "components", "rooms", "text"] {
            let part = std::str::from_utf8(FILES[&format!("styles/{part}.css")].text.plain()).unwrap();
            assert!(page.contains(part));
        }
        let elsewhere = "@import 'https://example.org/a.css';\n@import 'unknown.css';\na {}\n";
        assert_eq!(whole("styles/a.css", Cow::Borrowed(elsewhere.as_bytes())), elsewhere.as_bytes());
    }

    fn leaned(name: &str, text: &'static str) -> String {
        String::from_utf8(lean(name, Cow::Borrowed(text.as_bytes())).into_owned()).unwrap()
    }

    #[test]
    fn what_is_there_for_readers_of_the_code_is_not_served() {
        assert_eq!(
            leaned("a.js", "/**\n * Says\n */\nlet a = 1; // one\n  // two\n  /** @type {A} */\nb"),
            "let a = 1; // one\nb"
        );
        assert_eq!(leaned("a.css", "/* a\n   b */\n.c {} /* d */\n"), ".c {} /* d */\n");
        assert_eq!(leaned("a.js", "a {\n\t  b;  \n\n}\n"), "a {\nb;  \n}\n");
        assert_eq!(leaned("a.html", "<p>\n  <!-- a\n  b -->\n\n  <b>c</b>\n"), "<p>\n<b>c</b>\n");
        assert_eq!(
            leaned("a.js", "let f = (/** @type {A} */ a) => /** @type {B} */ (a);\n"),
            "let f = (a) => (a);\n"
        );
        assert_eq!(leaned("a.js", "/** @type {A} */ (b)\n"), "(b)\n");
        for kept in ["/* a */ b /* c */\n", "/*/ a\n", "a\n/* open\nb", "a /** @open\n"] {
            assert_eq!(leaned("a.js", kept), kept);
        }
        assert_eq!(leaned("a.css", "a\n//b\n"), "a\n//b\n");
        assert_eq!(leaned("a.html", "// a\n"), "// a\n");
        assert_eq!(leaned("a.svg", "  <!-- a -->\n"), "  <!-- a -->\n");
    }

    #[test]
    fn of_every_built_in_script_all_lines_of_code_are_served() {
        for name in BuiltIn::iter().filter(|name| extension(name) == "js") {
            let whole = String::from_utf8(BuiltIn::get(&name).unwrap().data.into_owned()).unwrap();
            let lean =
                String::from_utf8(lean(&name, whole.clone().into_bytes().into()).into_owned()).unwrap();
            let mut served = lean.lines();
            for line in whole.lines().map(str::trim_start).filter(|line| !line.is_empty()) {
                let typed = line.contains("/** @");
                if served.clone().next() == Some(line) || (typed && !line.starts_with('/')) {
                    served.next();
                } else {
                    assert!(line.starts_with(['/', '*']), "{name}: {line}");
                }
            }
            assert_eq!(served.next(), None, "{name}");
        }
    }

    proptest! {
        #[test]
        fn no_path_leaves_the_folder(path in "(/|\\.|%2e|[a-z]|\\\\){0,20}") {
            if let Some(name) = name_of(&path) {
                prop_assert!(name.split('/').all(|part| !part.is_empty() && !part.starts_with('.')));
            }
        }
    }
}
