//! A demonstration, not a template: services that call each other through tower-outbound, and a report of their
//! telemetry. To write a service, copy `examples/axum`.
//!
//! Requests take two ways: caller → gateway → upstream, and caller → gateway → twin → two upstreams. The twin is a
//! gRPC service. All of them, and the OTLP receiver, run in this process, with a pipeline for each of the services
//! `caller`, `gateway` and `twin`; `OTEL_EXPORTER_OTLP_ENDPOINT` names another
//! receiver, which gets the same.

mod cli;
mod faults;
mod own_backend;
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

use crate::cli::Cli;
use crate::own_backend::OwnBackend;
use crate::prices::Restartable;
use crate::report::{Json, Report};
use crate::servers::{OfTwin, Servers};
use crate::service::Side;
use crate::services::Services;
use crate::telemetry::Pipelines;
use crate::traffic::{Caller, Traffic};
use crate::upstream::Upstream;

const FLUSHES: usize = 5;
const SETTLES: usize = 20;
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
    let Pipelines { receiver, own, services } = telemetry::start().await?;
    let upstream = Upstream::start().await?;
    let prices = Restartable::start(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), prices::routes).await?;
    let outbound = |service: &str| outbound(&services, own.as_ref(), service);
    let page = Page::new();
    let outbound_of_gateway = outbound(services::GATEWAY).observer(page.clone()).build();
    let client = outbound_of_gateway.client_builder().tls_config(upstream.trust()).build();
    let below = outbound(services::TWIN).build();
    let twin = OfTwin {
        client: below.client(),
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

    settle(&[&outbound_of_gateway, &below]).await;
    flush(&services, &receiver, &traffic).await;
    let roles = [(servers.twin, "the twin"), (prices.address(), "its upstream")];
    print(cli, &Report::new(&receiver, &roles), &traffic)?;

    if cli.serve {
        wait(cli, servers.gateway, &sides).await?;
    }
    servers.stop().await;
    let exported = services.shutdown().await;
    if !exported.is_complete() {
        say(cli, &format!("Telemetry to the embedded OTLP receiver: {exported}."));
    }
    if let Some(own) = own {
        say(cli, &own.end().await);
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
fn outbound(services: &Services, own: Option<&OwnBackend>, service: &str) -> OutboundBuilder {
    // All hosts have the same name here, so the metrics need the port.
    let observer = services.of(service).observer().metric_label(MetricLabel::OutboundPort).build();
    OwnBackend::copy_metrics(own, service, Outbound::builder().observer(observer))
}

fn print(cli: &Cli, report: &Report, traffic: &Traffic) -> Result<(), Box<dyn Error>> {
    // A closed pipe (`| head`) is an error; `println!` would panic.
    let mut out = io::stdout().lock();
    match cli.json {
        true => writeln!(out, "{}", serde_json::to_string_pretty(&Json::new(report))?)?,
        false => write!(out, "{}", report.text(traffic))?,
    }
    // The text report contains this line; JSON does not.
    let wholeness = report.wholeness(traffic);
    if cli.json && !wholeness.is_whole() {
        eprintln!("warning: {wholeness}");
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

/// Waits until no connection is in use, and none opens or closes: the report has what they end with.
async fn settle(outbounds: &[&Outbound]) {
    let mut before = Vec::new();
    for _ in 0..SETTLES {
        let connections = outbounds.iter().flat_map(|outbound| outbound.connections());
        let now: Vec<_> = connections.map(|connection| (connection.id(), connection.in_flight())).collect();
        if now == before && now.iter().all(|(_, in_flight)| *in_flight == 0) {
            return;
        }
        before = now;
        sleep(MOMENT).await;
    }
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
