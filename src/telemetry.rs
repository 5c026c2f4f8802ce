//! What a node tells about itself: lines, traces, metrics, reports of errors.
//!
//! Lines go to standard output, for people in development and as JSON in production, chosen by
//! `LOG_LEVEL`. Errors are reported to Sentry when there is a DSN, traces sent when there is an
//! OTLP endpoint. No line, span or report carries a credential: spans name matched paths and never
//! queries or headers, and `scrub` goes over what Sentry's own layers collect.

mod meters;
mod process;
mod scrub;

use std::{
    io::IsTerminal,
    panic,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use opentelemetry::{Key, trace::TracerProvider};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use secrecy::ExposeSecret;
use sentry::{
    ClientInitGuard, ClientOptions,
    integrations::tracing::{BreadcrumbLayer, ErrorLayer},
};
use tracing::{Level, Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterExt, Targets, filter_fn},
    fmt,
    layer::SubscriberExt,
    registry::LookupSpan,
    util::SubscriberInitExt,
};

pub use self::meters::Meters;
use crate::config::{Config, Problem};

/// Where panics are logged. Sentry's own hook reports them, so its layer leaves these out.
const PANIC: &str = "chorus::panic";

/// The target of the spans that a message has on its way. They are of the lowest level, so that
/// nothing is made of them where no traces are sent.
pub const MESSAGES: &str = "chorus::messages";

/// Whether traces are sent: what only they need is not made otherwise. (To ask `tracing` whether a span of theirs would be
/// made is no way: the answer for one layer stays behind and suppresses the thread's next line.)
pub fn are_traces_sent() -> bool {
    SENDS_TRACES.load(Ordering::Relaxed)
}

static SENDS_TRACES: AtomicBool = AtomicBool::new(false);

/// What has to be flushed at the end, and the metrics.
pub struct Telemetry {
    sentry: Option<ClientInitGuard>,
    traces: Option<SdkTracerProvider>,
    meters: Meters,
}

impl Telemetry {
    /// Starts all of it, for this process and once. To be called on the main thread before the
    /// runtime starts: threads take over the hub that Sentry finds here.
    ///
    /// # Errors
    /// When a setting turns out not to work.
    pub fn start(config: &Config) -> Result<Self, Problem> {
        panic::set_hook(Box::new(log_panic));
        let sentry = sentry_client(config);
        let traces = config.otlp_endpoint.as_deref().map(tracer).transpose()?;
        SENDS_TRACES.store(traces.is_some(), Ordering::Relaxed);
        let reports = sentry.is_some().then(report_layers);
        let spans = traces.as_ref().map(|provider| {
            let ours = Targets::new().with_target("chorus", Level::INFO).with_target(MESSAGES, Level::TRACE);
            tracing_opentelemetry::layer().with_tracer(provider.tracer("chorus")).with_filter(ours)
        });
        tracing_subscriber::registry()
            .with(lines(config)?)
            .with(reports)
            .with(spans)
            .try_init()
            .map_err(|error| Problem::new("LOG_LEVEL", error.to_string()))?;
        let meters = Meters::install().map_err(|error| Problem::new("METRICS_PORT", error.to_string()))?;
        Ok(Self { sentry, traces, meters })
    }

    /// The metrics.
    pub const fn meters(&self) -> &Meters {
        &self.meters
    }

    /// Sends what has not been sent, for at most `limit`, and ends. Blocks.
    pub fn flush(self, limit: Duration) {
        let Self { sentry, traces, .. } = self;
        let traces =
            traces.map(|provider| thread::spawn(move || drop(provider.shutdown_with_timeout(limit))));
        if let Some(sentry) = sentry {
            sentry.close(Some(limit));
        }
        if let Some(traces) = traces {
            // It ends by its own limit, which began with this call.
            let _ = traces.join();
        }
    }
}

/// The lines on standard output.
fn lines<S>(config: &Config) -> Result<Box<dyn Layer<S> + Send + Sync>, Problem>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let filter = EnvFilter::builder()
        .parse(&config.log_level)
        .map_err(|error| Problem::new("LOG_LEVEL", error.to_string()))?;
    let lines = if config.node_env.is_production() {
        fmt::layer().json().flatten_event(true).with_span_list(false).boxed()
    } else {
        fmt::layer().compact().with_ansi(std::io::stdout().is_terminal()).boxed()
    };
    Ok(lines.with_filter(filter.and(discreet())).boxed())
}

/// What a library tells at its lower levels is not ours to promise: tungstenite tells every message it
/// reads, with the tickets that renew sign-ins, tokio-postgres the values of every statement, with what people say and the
/// hashes of their passwords. So lines below `info` come from this program alone, and from those libraries that
/// are known to tell of connections and not of what they carry, whatever `LOG_LEVEL` asks for. Of lapin there is no
/// line: it tells what a broker gives back, whole, and that as a warning. (What goes wrong with a broker the relay says.)
fn discreet() -> Targets {
    let ours = Targets::new()
        .with_default(Level::INFO)
        .with_target("chorus", Level::TRACE)
        .with_target("lapin", LevelFilter::OFF);
    ["hyper", "rustls"]
        .into_iter()
        .fold(ours, |open, target| open.with_target(target, Level::TRACE))
}

/// Errors become reports, and what was logged before them their breadcrumbs.
fn report_layers<S>() -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let not_panics = filter_fn(|meta| meta.target() != PANIC);
    let errors = ErrorLayer::new().with_filter(LevelFilter::ERROR.and(not_panics).and(discreet()));
    errors
        .and_then(BreadcrumbLayer::new().with_filter(LevelFilter::INFO.and(discreet())))
        .boxed()
}

fn sentry_client(config: &Config) -> Option<ClientInitGuard> {
    let dsn = config.sentry_dsn.as_ref()?;
    let version = env!("CARGO_PKG_VERSION");
    let release = match option_env!("CHORUS_COMMIT") {
        Some(commit) => format!("chorus@{version}+{commit}"),
        None => format!("chorus@{version}"),
    };
    let options = ClientOptions::new()
        .dsn(dsn.expose_secret())
        .release(release)
        .environment(config.node_env.as_str())
        .send_default_pii(false)
        // A stack under every error would stop its thread for as long as symbols take to load.
        .attach_stacktrace(false)
        .before_send(|event| Some(scrub::event(event)))
        .before_breadcrumb(|breadcrumb| Some(scrub::breadcrumb(breadcrumb)));
    Some(sentry::init(options))
}

/// Sends spans to a collector. The SDK reads the other `OTEL_` variables itself.
fn tracer(endpoint: &str) -> Result<SdkTracerProvider, Problem> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
        .build()
        .map_err(|error| Problem::new("OTEL_EXPORTER_OTLP_ENDPOINT", error.to_string()))?;
    let provider = SdkTracerProvider::builder().with_resource(resource()).with_batch_exporter(exporter);
    Ok(provider.build())
}

/// Who sends spans: the name of `OTEL_SERVICE_NAME`, else ours.
fn resource() -> Resource {
    let found = Resource::builder().build();
    let named = found
        .get(&Key::from_static_str("service.name"))
        .is_some_and(|name| !name.as_str().starts_with("unknown_service"));
    if named { found } else { Resource::builder().with_service_name("chorus").build() }
}

/// Each panic is counted, and told in one line in the form of all others.
fn log_panic(panic: &panic::PanicHookInfo<'_>) {
    metrics::counter!("chorus_panics_total").increment(1);
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let text = panic.payload_as_str().unwrap_or("a panic without words");
    tracing::error!(target: PANIC, place, "panicked: {text}");
}
