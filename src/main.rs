//! The program: settings, telemetry, then a node until it is told to stop; the exit code says how
//! it went.

use std::{io::Write, process::ExitCode, time::Duration};

use chorus::{
    cli::{self, Cli},
    config::{self, Config},
    node::{Backends, Node, StartError},
    telemetry::Telemetry,
};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

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
    let code = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
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
    let node = match start(config, telemetry).await {
        Ok(node) => node,
        Err(error) => {
            tracing::error!(%error, "the node does not start");
            return ExitCode::FAILURE;
        }
    };
    announce(config, &node);
    let failed = tokio::select! {
        () = told_to_stop() => false,
        () = node.failed() => true,
    };
    tracing::info!("stopping");
    let limit = config.shutdown_timeout;
    match tokio::time::timeout(limit, node.stop()).await {
        Ok(true) if !failed => {
            tracing::info!("stopped");
            ExitCode::SUCCESS
        }
        _ => {
            tracing::error!(?limit, failed, "not everything ended in time, or a task had failed");
            ExitCode::FAILURE
        }
    }
}

/// A signal while waiting for the database ends the wait.
async fn start(config: &Config, telemetry: &Telemetry) -> Result<Node, StartError> {
    let starting = async {
        let backends = Backends::open(config).await?;
        Node::start(config, backends, Some(telemetry.meters())).await
    };
    tokio::select! {
        started = starting => started,
        () = told_to_stop() => std::process::exit(0),
    }
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

/// Ends at SIGINT (Ctrl+C) or SIGTERM.
async fn told_to_stop() {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        tracing::error!("signals can't be heard; only SIGKILL will end this node");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
