//! One trace shows a message from its sender's frame to the sockets of every node, as a collector
//! receives it.

#![allow(clippy::disallowed_methods, reason = "the receiver is a task of the test")]

use std::sync::{Arc, Mutex};

use axum::{Router, body::Bytes, routing::post};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::any_value::Value,
    trace::v1::{ResourceSpans, span::SpanKind},
};
use prost::Message;
use tokio::net::TcpListener;

use crate::{common::eventually, harness::scene::Setup};

/// A span as it was received.
#[derive(Debug, Clone, PartialEq)]
struct Span {
    service: String,
    name: String,
    trace: Vec<u8>,
    id: Vec<u8>,
    parent: Vec<u8>,
    serves: bool,
    status: Option<String>,
}

/// What a collector of traces received.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<Span>>>);

impl Collector {
    /// Listens for OTLP over HTTP; answers its endpoint.
    async fn listen(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let spans = self.0.clone();
        let receive = move |body: Bytes| async move {
            let request = ExportTraceServiceRequest::decode(body).expect("OTLP");
            spans.lock().unwrap().extend(request.resource_spans.into_iter().flat_map(received));
        };
        let app = Router::new().route("/v1/traces", post(receive));
        tokio::spawn(async move { axum::serve(listener, app).await });
        endpoint
    }

    /// The spans of this name.
    fn named(&self, name: &str) -> Vec<Span> {
        self.0.lock().unwrap().iter().filter(|span| span.name == name).cloned().collect()
    }
}

fn received(of: ResourceSpans) -> Vec<Span> {
    let attributes = of.resource.unwrap_or_default().attributes;
    let named = attributes.into_iter().find(|attribute| attribute.key == "service.name");
    let Some(Value::StringValue(service)) = named.and_then(|named| named.value).and_then(|any| any.value)
    else {
        panic!("no service.name")
    };
    let spans = of.scope_spans.into_iter().flat_map(|scope| scope.spans);
    let span = |span: opentelemetry_proto::tonic::trace::v1::Span| Span {
        service: service.clone(),
        name: span.name,
        trace: span.trace_id,
        id: span.span_id,
        parent: span.parent_span_id,
        serves: span.kind == SpanKind::Server as i32,
        status: span.attributes.into_iter().find(|attribute| attribute.key == "status").and_then(|found| {
            let Some(Value::StringValue(status)) = found.value?.value else { return None };
            Some(status)
        }),
    };
    spans.map(span).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_shows_a_message_from_the_frame_to_the_sockets_of_another_node() {
    let collector = Collector::default();
    let endpoint = collector.listen().await;
    let cluster = Setup::of(2)
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)
        .with("OTEL_BSP_SCHEDULE_DELAY", "100")
        .start()
        .await;
    let mut alice = cluster.guest(0, "alice").await;
    let mut bob = cluster.guest(1, "bob").await;
    alice.say_acked("lobby", "traced", "hello").await;
    bob.until_seq("lobby", 1).await;

    eventually("every step has been received", async || {
        let services: Vec<String> = collector.named("deliver").into_iter().map(|span| span.service).collect();
        services.iter().any(|name| name == "node1")
            && services.iter().any(|name| name == "node2")
            && ["message", "commit", "publish"].iter().all(|name| !collector.named(name).is_empty())
    })
    .await;
    let [message] = &collector.named("message")[..] else {
        panic!("one message was sent")
    };
    assert_eq!(message.service, "node1");
    assert!(message.parent.is_empty(), "a frame begins its trace");
    for step in ["commit", "publish", "deliver"] {
        for span in collector.named(step) {
            assert_eq!(span.trace, message.trace, "{step} belongs to the trace");
            assert_eq!(span.parent, message.id, "{step} follows from the message");
        }
    }
    // What was asked over HTTP is there by its name, its answer beside it, and so are handshakes, which HTTP does not see.
    for (name, status) in [("POST /login", "200"), ("GET /ws", "101")] {
        let asked = collector.named(name);
        assert!(!asked.is_empty(), "{name}");
        assert!(
            asked.iter().all(|span| span.serves && span.status.as_deref() == Some(status)),
            "{asked:?}"
        );
    }
}
