//! The document of the API: it has every call of the router and no other, and the committed pages agree with it.

use std::{collections::BTreeSet, fs, path::Path};

use super::*;
use crate::error::Code;

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// The paths of a router. Only its `Debug` tells them; if that ever changes, nothing is found and the test fails.
fn paths(router: &Router) -> BTreeSet<String> {
    let told = format!("{router:?}");
    let (_, list) = told.split_once("Node { paths: {").expect("a list of paths");
    // `RouteId(1): "/login", RouteId(2): "/rooms/{room}"}`: every second piece is a path.
    let pieces = list.split('"').skip(1).step_by(2);
    let paths = pieces.take_while(|piece| piece.starts_with('/'));
    // The files of the page are no calls.
    paths.filter(|path| !path.contains("fallback")).map(str::to_owned).collect()
}

fn page(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

async fn document(site: &Site) -> Value {
    let answer = site.get("/openapi.json", "").await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("content-type")),
        (200, "application/json")
    );
    assert_eq!(answer.body["openapi"], "3.1.0");
    answer.body
}

#[tokio::test]
async fn every_call_of_the_router_is_described_and_no_other() {
    let site = Site::open();
    let described = document(&site).await["paths"].as_object().unwrap().clone();
    let known: BTreeSet<String> = described.keys().cloned().collect();
    assert_eq!(known, paths(&site.app));
    for (path, item) in described {
        for method in METHODS {
            let request = Request::builder()
                .method(method.to_uppercase().as_str())
                .uri(path.replace("{room}", "lobby"))
                .body(Body::empty())
                .unwrap();
            let is_there = site.send(request).await.status != StatusCode::METHOD_NOT_ALLOWED;
            assert_eq!(item.get(method).is_some(), is_there, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn the_document_is_packed_for_those_who_understand_it_and_counts_as_a_call() {
    let site = Site::with(|config| config.rate_limit_per_hour = 3);
    let plain = document(&site).await;
    let mut forms = Vec::new();
    for _ in 0..2 {
        let request = Request::get("/openapi.json").header("Accept-Encoding", "gzip, br");
        let answer = site.app.clone().oneshot(with_peer(request.body(Body::empty()).unwrap())).await.unwrap();
        assert_eq!(answer.headers()["content-encoding"], "br");
        forms.push(answer.into_body().collect().await.unwrap().to_bytes());
    }
    assert_eq!(forms[0].as_ptr(), forms[1].as_ptr(), "it is packed once");
    let mut unpacked = Vec::new();
    brotli::BrotliDecompress(&mut &*forms[0], &mut unpacked).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&unpacked).unwrap(), plain);
    assert_eq!(site.get("/openapi.json", "").await.code(), (429, "rate_limited"));
}

#[tokio::test]
async fn every_reference_leads_somewhere_and_every_answer_says_what_it_is() {
    let document = document(&Site::open()).await;
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(document.pointer(reference).is_some(), "{reference}");
    }
    let mut ids = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, call) in item.as_object().unwrap() {
            assert!(call["summary"].is_string(), "{method} {path} has no summary");
            let id = call["operationId"].as_str().unwrap();
            assert!(ids.insert(id.to_owned()), "{id} twice");
            for (status, answer) in call["responses"].as_object().unwrap() {
                assert!(answer["description"].is_string(), "{method} {path} {status}");
                let bodiless = status == "101";
                assert!(bodiless || answer["content"].is_object(), "{method} {path} {status}");
            }
        }
    }
}

#[tokio::test]
async fn the_table_of_codes_is_the_same_in_the_program_in_openapi_and_on_the_page() {
    let document = document(&Site::open()).await;
    let described = &document["components"]["schemas"]["Code"];
    let names: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(described["enum"], json!(names));

    let protocol = page("docs/protocol.md");
    let (_, section) = protocol.split_once("\n## Error codes\n").expect("the section");
    let section = section.split("\n## ").next().unwrap();
    let rows: Vec<_> = section.lines().filter(|line| line.starts_with("| `")).collect();
    let expected: Vec<_> = Code::ALL
        .iter()
        .map(|code| {
            let again = code.advice().as_str();
            assert_eq!(described["x-try-again"][code.as_str()], again);
            format!("| `{}` | {} | {again} | {} |", code.as_str(), code.status(), code.meaning())
        })
        .collect();
    assert_eq!(rows, expected, "docs/protocol.md, Error codes");
}

#[tokio::test]
async fn the_page_names_every_call() {
    let protocol = page("docs/protocol.md");
    let document = document(&Site::open()).await;
    for path in document["paths"].as_object().unwrap().keys() {
        let named = [" ", "`", "?"]
            .iter()
            .any(|end| [" ", "`"].iter().any(|begin| protocol.contains(&format!("{begin}{path}{end}"))));
        assert!(named, "{path}");
    }
}
