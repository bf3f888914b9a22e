//! A demonstration, not a template: services that call each other through tower-outbound, and a report of their
//! telemetry. To write a service, copy `examples/axum`.
//!
//! Requests take two ways: caller → gateway → upstream, and caller → gateway → twin → two upstreams. The twin is a
//! gRPC service. All of them, and the OTLP receiver, run in this process, with a pipeline for each of the services
//! `caller`, `gateway` and `twin`; `OTEL_EXPORTER_OTLP_ENDPOINT` names another receiver.

mod cli;
mod faults;
mod prices;
mod progress;
mod report;
mod rpc;
mod servers;
mod service;
mod services;
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

use outbound_tests::otlp::Receiver;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;
use tower_outbound::Outbound;
use tower_outbound::outbound::OutboundBuilder;
use tower_outbound_otel::MetricLabel;
use tower_outbound_page::Page;
use tower_outbound_telemetry::Telemetry;

use crate::cli::Cli;
use crate::prices::Restartable;
use crate::report::{Json, Report, Role};
use crate::servers::{OfTwin, Servers};
use crate::service::Side;
use crate::services::Services;
use crate::telemetry::Destination;
use crate::traffic::{Caller, Traffic};
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
    // The receiver is dropped last.
    let (destination, services) = telemetry::start().await?;
    let upstream = Upstream::start().await?;
    let prices = Restartable::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), prices::routes).await?;
    let page = Page::new();
    let outbound_of_gateway = outbound(&services.gateway).observer(page.clone()).build();
    let client = outbound_of_gateway.client_builder().tls_config(upstream.trust()).build();
    let twin = OfTwin {
        client: outbound(&services.twin).build().client(),
        prices: prices.address(),
        tracer: services::tracer(&services.twin, services::TWIN),
    };
    let sides = [("/plain", upstream.plain()), ("/tls", upstream.secure())];
    let servers = Servers::start(listener, &client, &sides, twin, page.service(&outbound_of_gateway)).await?;
    say(cli, &format!("What the gateway sees now: http://{}{}", servers.gateway, service::PAGE));

    let progress = progress::bar(cli.json);
    let caller = Caller::new(servers.gateway, services::tracer(&services.caller, services::CALLER));
    let traffic = traffic::drive(caller, cli.seconds(), &progress).await;
    progress.finish_and_clear();

    if let Destination::Embedded(receiver) = &destination {
        flush(&services, receiver, &traffic).await;
    }
    let roles = [(servers.twin, "the twin"), (prices.address(), "its upstream")];
    print(cli, &destination, &traffic, &roles)?;

    if cli.serve {
        wait(cli, servers.gateway, &sides).await?;
    }
    servers.stop().await;
    let exported = services.shutdown().await;
    match &destination {
        Destination::Embedded(_) if exported.is_complete() => {}
        _ => say(cli, &format!("Telemetry to {}: {exported}.", destination.source())),
    }
    Ok(())
}

/// Prints to stdout, or to stderr if stdout is JSON.
fn say(cli: &Cli, text: &str) {
    // A closed pipe (`| head`) is not an error; `println!` would panic.
    let _ = match cli.json {
        true => writeln!(io::stderr(), "{text}"),
        false => writeln!(io::stdout(), "{text}"),
    };
}

/// The client side of a service.
fn outbound(telemetry: &Telemetry) -> OutboundBuilder {
    // All hosts have the same name here, so the metrics need the port.
    let observer = telemetry.observer().metric_label(MetricLabel::OutboundPort).build();
    Outbound::builder().observer(observer)
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
    // A closed pipe (`| head`) is an error; `println!` would panic.
    let mut out = io::stdout().lock();
    match &report {
        report if cli.json => {
            writeln!(out, "{}", serde_json::to_string_pretty(&Json::new(source, report.as_ref()))?)?;
        }
        Some(report) => write!(out, "{}", report.text(traffic))?,
        None => {
            writeln!(
                out,
                "{traffic}.\nSpans and metrics of the services caller, gateway and twin go to {source}.\n\
                 The report is made from the embedded receiver: unset OTEL_EXPORTER_OTLP_ENDPOINT to see it."
            )?;
        }
    }
    // The text report contains this line; JSON does not.
    let wholeness = report.map(|report| report.wholeness(traffic));
    if let Some(broken) = wholeness.filter(|wholeness| cli.json && !wholeness.is_whole()) {
        eprintln!("warning: {broken}");
    }
    Ok(())
}

/// Serves until ctrl-c or SIGTERM.
async fn wait(cli: &Cli, gateway: SocketAddr, sides: &[Side]) -> io::Result<()> {
    let sides: String = sides.iter().map(|(side, origin)| format!("  {side:6} → {origin}\n")).collect();
    let text = format!(
        "\nServing on http://{gateway} until ctrl-c.\n{sides}  below each: {}\n  /twin/{{item}} → the twin",
        upstream::PATHS.join(" ")
    );
    // Install the handlers before the output: a reader of the output may send a signal at once.
    let [mut interrupt, mut terminate] = [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?];
    say(cli, &text);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

/// Flushes more than once: a span ends when its body is dropped, shortly after the caller has the last byte.
async fn flush(services: &Services, receiver: &Receiver, traffic: &Traffic) {
    for _ in 0..FLUSHES {
        tokio::task::block_in_place(|| services.flush());
        if Report::new(receiver, &[]).wholeness(traffic).is_whole() {
            return;
        }
        sleep(MOMENT).await;
    }
}
