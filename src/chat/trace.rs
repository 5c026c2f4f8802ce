//! The way of a message as spans of one trace, also across nodes.
//!
//! `message` lasts from the sender's frame to its answer, `commit` is its part of the batch,
//! `publish` the doorbell, and `deliver` lasts, on each node, from its hearing of the message until
//! the bytes have been given to every member there. Between them travels a [`TraceParent`], in the
//! bus' envelope too. All of it costs nothing while no traces are sent: the spans have a level and a
//! target of their own ([`MESSAGES`]), which no line is interested in.

use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::{
    cluster::{Committed, Envelope, Notice, TraceParent},
    domain::Seq,
    telemetry::MESSAGES,
};

/// Where the traces of some events stand; those that are not traced are not named.
pub type Traces = Vec<(Seq, TraceParent)>;

/// A message has come in; a child of what is going on, if that is traced.
pub(super) fn message() -> Span {
    tracing::trace_span!(target: MESSAGES, "message", otel.kind = "server")
}

/// Its part of a batch that is committed now.
pub(super) fn commit(message: &Span, batch: usize) -> Span {
    if message.is_disabled() {
        return Span::none();
    }
    tracing::trace_span!(target: MESSAGES, parent: message, "commit", batch)
}

/// Where its trace stands, if it is one of those that are kept.
pub(super) fn stands_at(message: &Span) -> Option<TraceParent> {
    if message.is_disabled() {
        return None;
    }
    let context = message.context();
    let span = context.span().span_context().clone();
    let (trace, id) = (
        u128::from_be_bytes(span.trace_id().to_bytes()),
        u64::from_be_bytes(span.span_id().to_bytes()),
    );
    (span.is_valid() && span.is_sampled()).then_some(TraceParent { trace, span: id })
}

/// The doorbell for other nodes, as long as its spans are held.
pub(super) fn publish(envelope: &Envelope) -> Vec<Span> {
    let Notice::Committed(Committed { traces, .. }) = &envelope.notice else {
        return Vec::new();
    };
    let span = |(_, parent): &(Seq, TraceParent)| {
        follow(
            tracing::trace_span!(target: MESSAGES, "publish", otel.kind = "producer"),
            *parent,
        )
    };
    traces.iter().map(span).collect()
}

/// The way to this node's members.
pub(super) fn deliver(seq: Seq, parent: TraceParent, by_bus: bool) -> Span {
    let kind = if by_bus { "consumer" } else { "internal" };
    follow(
        tracing::trace_span!(target: MESSAGES, "deliver", otel.kind = kind, seq = seq.0, by_bus),
        parent,
    )
}

/// Makes a span the child of one in another place.
fn follow(span: Span, parent: TraceParent) -> Span {
    if !span.is_disabled() {
        let parent = SpanContext::new(
            TraceId::from_bytes(parent.trace.to_be_bytes()),
            SpanId::from_bytes(parent.span.to_be_bytes()),
            TraceFlags::SAMPLED,
            true,
            TraceState::NONE,
        );
        // It fails only where no traces are sent.
        let _ = span.set_parent(opentelemetry::Context::new().with_remote_span_context(parent));
    }
    span
}
