//! An axum service that calls its upstream through tower-outbound, and what its telemetry says of a run.
//!
//! `caller → gateway → upstream`, with OTLP from the gateway to a receiver: all of it in this process, unless
//! `OTEL_EXPORTER_OTLP_ENDPOINT` names a receiver elsewhere.

mod cli;
mod faults;
mod progress;
mod report;
mod service;
mod telemetry;
mod traffic;
mod upstream;

use std::error::Error;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use axum::serve::ListenerExt as _;
use outbound_tests::otlp::Receiver;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;
use tower_outbound::{Outbound, OutboundClient};
use tower_outbound_otel::{OtelObserver, Telemetry};

use crate::cli::Cli;
use crate::report::{Json, Report};
use crate::telemetry::Destination;
use crate::traffic::Traffic;
use crate::upstream::Upstream;

const FLUSHES: usize = 5;
const MOMENT: Duration = Duration::from_millis(50);

fn main() -> ExitCode {
    match Cli::read() {
        Ok(cli) if cli.faults => faults::run(cli.json),
        Ok(cli) => gateway(&cli),
        Err(exit) => exit,
    }
}

#[tokio::main]
async fn gateway(cli: &Cli) -> ExitCode {
    let listener = match TcpListener::bind(cli.listen).await {
        Ok(listener) => listener,
        Err(error) => return cli.cannot_listen(&error),
    };
    match run(cli, listener).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: &Cli, listener: TcpListener) -> Result<(), Box<dyn Error>> {
    // In this order, so that the receiver is dropped last.
    let (destination, telemetry) = telemetry::start().await?;
    let upstream = Upstream::start().await?;
    let gateway = serve(listener, &upstream)?;

    let progress = progress::bar(cli.json);
    let traffic = traffic::drive(gateway, cli.seconds, &progress).await;
    progress.finish_and_clear();

    if let Destination::Embedded(receiver) = &destination {
        flush(&telemetry, receiver, &traffic).await;
    }
    print(cli, &destination, &traffic)?;

    if cli.serve {
        wait(cli, gateway, &upstream).await?;
    }
    let exported = telemetry.shutdown().await;
    match &destination {
        Destination::Embedded(_) if exported.is_complete() => {}
        _ => say(cli, &format!("Telemetry to {}: {exported}.", destination.source())),
    }
    Ok(())
}

/// Alone on standard output, JSON has no place for it.
fn say(cli: &Cli, text: &str) {
    // A reader that has had enough (`| head`) is no reason to fail; `println!` would panic.
    let _ = match cli.json {
        true => writeln!(io::stderr(), "{text}"),
        false => writeln!(io::stdout(), "{text}"),
    };
}

/// The service, with one client for all its handlers.
fn serve(listener: TcpListener, upstream: &Upstream) -> io::Result<SocketAddr> {
    let address = listener.local_addr()?;
    let outbound = Outbound::builder().observer(OtelObserver::new()).build();
    let client: OutboundClient = outbound.client_builder().tls_config(upstream.trust()).build();
    let router = service::router(client, upstream);
    let listener = listener.tap_io(|tcp| {
        // Small answers would wait for the caller's delayed acknowledgement; without it they are only late.
        let _ = tcp.set_nodelay(true);
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}

fn print(cli: &Cli, destination: &Destination, traffic: &Traffic) -> Result<(), Box<dyn Error>> {
    let source = destination.source();
    let report = match destination {
        Destination::Embedded(receiver) => Some(Report::new(receiver)),
        Destination::Elsewhere(_) => None,
    };
    // A reader that has had enough (`| head`) is an error here; `println!` would panic.
    let mut out = io::stdout().lock();
    match &report {
        report if cli.json => {
            writeln!(out, "{}", serde_json::to_string_pretty(&Json::new(source, report.as_ref()))?)?;
        }
        Some(report) => write!(out, "{}", report.text(traffic))?,
        None => {
            writeln!(
                out,
                "{traffic}.\nSpans and metrics of the service `gateway` go to {source}.\n\
                 The report is made from the embedded receiver: unset OTEL_EXPORTER_OTLP_ENDPOINT to see it."
            )?;
        }
    }
    // Alone on standard output, JSON has no place for it.
    let wholeness = report.map(|report| report.wholeness(traffic));
    if let Some(broken) = wholeness.filter(|wholeness| cli.json && !wholeness.is_whole()) {
        eprintln!("warning: {broken}");
    }
    Ok(())
}

/// Keeps the service up until ctrl-c or SIGTERM.
async fn wait(cli: &Cli, gateway: SocketAddr, upstream: &Upstream) -> io::Result<()> {
    let text = format!(
        "\nServing on http://{gateway} until ctrl-c.\n  /plain → {}\n  /tls   → {}\n  below each: {}",
        upstream.plain(),
        upstream.secure(),
        upstream::PATHS.join(" ")
    );
    say(cli, &text);
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}

/// A span ends when its body is dropped, a moment after the caller had the last byte: so the last ones are
/// asked for more than once.
async fn flush(telemetry: &Telemetry, receiver: &Receiver, traffic: &Traffic) {
    for _ in 0..FLUSHES {
        // What is lost is said at the end.
        let _ = tokio::task::block_in_place(|| telemetry.force_flush());
        if Report::new(receiver).wholeness(traffic).is_whole() {
            return;
        }
        sleep(MOMENT).await;
    }
}
