//! The program: settings, telemetry, then a node until it is told to stop; the exit code says how
//! it went.

use std::{io::Write, process::ExitCode, time::Duration};

use chorus::{
    cli::{self, Cli},
    config::{self, Config},
    node::{Backends, Listeners, Node, StartError},
    telemetry::Telemetry,
    threads::Share,
};
use clap::Parser;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How long the last lines, spans and reports may take on their way out.
const FLUSH: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let cli = Cli::parse();
    let read = config::load_dotenv()
        .map_err(|problem| vec![problem])
        .and_then(|()| Config::read(&cli.flags));
    let config = match read {
        Ok(config) => config,
        Err(problems) => {
            config::report(&problems);
            return ExitCode::FAILURE;
        }
    };
    if let Some(command) = &cli.command {
        return cli::run(command, &config);
    }
    let telemetry = match Telemetry::start(&config) {
        Ok(telemetry) => telemetry,
        Err(problem) => {
            config::report(&[problem]);
            return ExitCode::FAILURE;
        }
    };
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.enable_all().on_thread_start(|| Share::Brisk.take());
    let code = match runtime.build() {
        Ok(runtime) => {
            let code = runtime.block_on(serve(&config, &telemetry));
            // What still runs now (a thread in a bcrypt, say) is not waited for.
            runtime.shutdown_background();
            code
        }
        Err(error) => {
            tracing::error!(%error, "the runtime does not start");
            ExitCode::FAILURE
        }
    };
    telemetry.flush(FLUSH);
    code
}

/// Runs a node until a signal, a failure, or the end of its patience.
async fn serve(config: &Config, telemetry: &Telemetry) -> ExitCode {
    let mut signals = Signals::listen();
    let started = tokio::select! {
        started = start(config, telemetry) => started,
        () = signals.next() => {
            tracing::info!("stopped before it was ready");
            return ExitCode::SUCCESS;
        }
    };
    let node = match started {
        Ok(node) => node,
        Err(error) => {
            tracing::error!(%error, "the node does not start");
            return ExitCode::FAILURE;
        }
    };
    announce(config, &node);
    let failed = tokio::select! {
        () = signals.next() => false,
        () = node.drained() => false,
        () = node.failed() => true,
    };
    tracing::info!("stopping");
    let in_time = tokio::select! {
        in_time = node.stop() => in_time,
        () = signals.next() => {
            tracing::error!("told twice to stop; ending at once");
            return ExitCode::FAILURE;
        }
    };
    if in_time && !failed {
        tracing::info!("stopped");
        ExitCode::SUCCESS
    } else {
        let limit = config.shutdown_timeout;
        tracing::error!(?limit, failed, "not everything ended in time, or a task had failed");
        ExitCode::FAILURE
    }
}

/// The listeners come first: they answer while the database is waited for.
async fn start(config: &Config, telemetry: &Telemetry) -> Result<Node, StartError> {
    let listeners = Listeners::bind(config)?;
    let backends = Backends::open(config, listeners.tasks()).await?;
    Node::start_on(listeners, config, backends, Some(telemetry.meters())).await
}

/// One plain line for whoever typed the command, whatever the log's form and level.
fn announce(config: &Config, node: &Node) {
    let (address, metrics) = (node.address, node.metrics_address);
    tracing::info!(%address, ?metrics, version = env!("CARGO_PKG_VERSION"), "ready");
    if !config.node_env.is_production() {
        let host = if address.ip().is_loopback() { "localhost".to_owned() } else { address.ip().to_string() };
        let _ = writeln!(std::io::stdout(), "Chorus is at http://{host}:{}", address.port());
    }
}

/// SIGINT (Ctrl+C) and SIGTERM. Listened for once and from the beginning, so that none is lost.
struct Signals(Option<(Signal, Signal)>);

impl Signals {
    fn listen() -> Self {
        let both =
            signal(SignalKind::interrupt()).and_then(|int| Ok((int, signal(SignalKind::terminate())?)));
        if let Err(error) = &both {
            tracing::error!(%error, "signals can't be heard; only SIGKILL will end this node");
        }
        Self(both.ok())
    }

    /// Ends at the next one.
    async fn next(&mut self) {
        let Some((interrupt, terminate)) = &mut self.0 else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    }
}
