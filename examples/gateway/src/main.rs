//! An axum service that calls its upstream through tower-outbound, and what its telemetry says of a run.
//!
//! `caller → gateway → upstream`, and `caller → gateway → twin → upstreams`, the twin on gRPC, with OTLP from both to
//! a receiver: all of it in this process, unless `OTEL_EXPORTER_OTLP_ENDPOINT` names a receiver elsewhere.

mod cli;
mod faults;
mod prices;
mod progress;
mod report;
mod rpc;
mod service;
mod soak;
mod telemetry;
mod traffic;
mod twin;
mod upstream;

use std::error::Error;
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use axum::serve::ListenerExt as _;
use outbound_tests::otlp::Receiver;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;
use tower_outbound::{Outbound, OutboundClient};
use tower_outbound_otel::{MetricLabel, OtelObserver};
use tower_outbound_telemetry::Telemetry;

use crate::cli::Cli;
use crate::prices::Restartable;
use crate::report::{Json, Report, Role};
use crate::rpc::twin_client::TwinClient;
use crate::service::Side;
use crate::telemetry::Destination;
use crate::traffic::Traffic;
use crate::upstream::Upstream;

const FLUSHES: usize = 5;
const MOMENT: Duration = Duration::from_millis(50);

fn main() -> ExitCode {
    match Cli::read() {
        Ok(cli) if cli.faults => faults::run(cli.json),
        Ok(cli) if cli.soak => soak::run(&cli),
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
    let prices = Restartable::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), prices::routes).await?;
    // The metrics tell hosts apart by port too: here all of them have one name.
    let observer = OtelObserver::builder().metric_label(MetricLabel::OutboundPort).build();
    let outbound = Outbound::builder().observer(observer).build();
    let client = outbound.client_builder().tls_config(upstream.trust()).build();
    let sides = [("/plain", upstream.plain()), ("/tls", upstream.secure())];
    let (gateway, twin) = serve(listener, &client, &sides, prices.address()).await?;

    let progress = progress::bar(cli.json);
    let traffic = traffic::drive(gateway, cli.seconds(), &progress).await;
    progress.finish_and_clear();

    if let Destination::Embedded(receiver) = &destination {
        flush(&telemetry, receiver, &traffic).await;
    }
    let roles = [(twin, "the twin"), (prices.address(), "its upstream")];
    print(cli, &destination, &traffic, &roles)?;

    if cli.serve {
        wait(cli, gateway, &sides).await?;
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

/// The service and its twin, with one client for all their handlers: where both are.
///
/// The twin's upstream on HTTP is the first side.
pub(crate) async fn serve(
    listener: TcpListener,
    client: &OutboundClient,
    sides: &[Side],
    prices: SocketAddr,
) -> io::Result<(SocketAddr, SocketAddr)> {
    let below = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let (address, twin_address) = (listener.local_addr()?, below.local_addr()?);
    twin::serve(below, client.clone(), &sides[0].1, upstream::uri(prices));
    let twin = TwinClient::new(client.outbound().tonic(upstream::uri(twin_address)).connect_lazy());
    let router = service::router(client.clone(), sides, twin);
    let listener = listener.tap_io(|tcp| {
        // Small answers would wait for the caller's delayed acknowledgement; without it they are only late.
        let _ = tcp.set_nodelay(true);
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok((address, twin_address))
}

fn print(
    cli: &Cli,
    destination: &Destination,
    traffic: &Traffic,
    roles: &[Role],
) -> Result<(), Box<dyn Error>> {
    let source = destination.source();
    let report = match destination {
        Destination::Embedded(receiver) => Some(Report::new(receiver, roles)),
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
async fn wait(cli: &Cli, gateway: SocketAddr, sides: &[Side]) -> io::Result<()> {
    let sides: String = sides.iter().map(|(side, origin)| format!("  {side:6} → {origin}\n")).collect();
    let text = format!(
        "\nServing on http://{gateway} until ctrl-c.\n{sides}  below each: {}\n  /twin/{{item}} → the twin",
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
        if Report::new(receiver, &[]).wholeness(traffic).is_whole() {
            return;
        }
        sleep(MOMENT).await;
    }
}
