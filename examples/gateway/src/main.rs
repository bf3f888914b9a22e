//! An axum service that calls its upstream through tower-outbound, and what its telemetry says of a run.
//!
//! `caller → gateway → upstream`, with OTLP from the gateway to a receiver: all of it in this process, unless
//! `OTEL_EXPORTER_OTLP_ENDPOINT` names a receiver elsewhere.

mod cli;
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
use tokio::net::TcpListener;
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

#[tokio::main]
async fn main() -> ExitCode {
    let cli = match Cli::read() {
        Ok(cli) => cli,
        Err(exit) => return exit,
    };
    let listener = match TcpListener::bind(cli.listen).await {
        Ok(listener) => listener,
        Err(error) => return cli.cannot_listen(&error),
    };
    match run(&cli, listener).await {
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

    let delivered = flush(&telemetry, &destination, &traffic).await;
    print(cli, &destination, &traffic, delivered)?;

    if cli.serve {
        wait(cli, gateway, &upstream).await?;
    }
    // Told once is enough.
    if let (Err(error), true) = (telemetry.shutdown().await, delivered) {
        lost(&error);
    }
    Ok(())
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

fn print(
    cli: &Cli,
    destination: &Destination,
    traffic: &Traffic,
    delivered: bool,
) -> Result<(), Box<dyn Error>> {
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
            let went = if delivered { "went" } else { "could not be sent" };
            writeln!(
                out,
                "{traffic}.\nSpans and metrics of the service `gateway` {went} to {source}.\n\
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

/// Keeps the service up until ctrl-c.
async fn wait(cli: &Cli, gateway: SocketAddr, upstream: &Upstream) -> io::Result<()> {
    let text = format!(
        "\nServing on http://{gateway} until ctrl-c.\n  /plain → {}\n  /tls   → {}\n  below each: {}",
        upstream.plain(),
        upstream.secure(),
        upstream::PATHS.join(" ")
    );
    if cli.json {
        eprintln!("{text}");
    } else {
        println!("{text}");
    }
    tokio::signal::ctrl_c().await
}

/// Whether everything was delivered.
///
/// A span ends when its body is dropped, a moment after the caller had the last byte: so the last ones are
/// asked for more than once.
async fn flush(telemetry: &Telemetry, destination: &Destination, traffic: &Traffic) -> bool {
    for _ in 0..FLUSHES {
        if let Err(error) = tokio::task::block_in_place(|| telemetry.force_flush()) {
            lost(&error);
            return false;
        }
        match destination {
            Destination::Embedded(receiver) if !Report::new(receiver).wholeness(traffic).is_whole() => {
                sleep(MOMENT).await;
            }
            _ => break,
        }
    }
    true
}

fn lost(error: &dyn Error) {
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    eprintln!("warning: telemetry was lost: {error}{cause}");
}
