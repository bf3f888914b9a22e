//! The service under load, with peers of its own that fail, and reloads that move the storage: what it says is compared with
//! what the peers have seen.

mod faults;
mod ledger;
mod load;
mod peers;
mod reloads;
mod report;
mod sabotage;

use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use outbound_tests::otlp::{Receiver, hosts};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep, timeout};
use tower_outbound::{BoxError, Event, Outbound};
use tower_outbound_otel::MetricLabel;
use tower_outbound_telemetry::{OtlpProtocol, Telemetry};
use tracing_subscriber::{EnvFilter, fmt, prelude::*};

use self::ledger::Ledger;
use self::load::Load;
use self::peers::Peers;
use self::reloads::Reloads;
pub use self::report::Report;
use self::sabotage::Sabotage;
use crate::cli::Cli;
use crate::config::ConfigSource;
use crate::filter::Filter;
use crate::metrics::{Metrics, MilterObserver, Page};
use crate::service;

/// How long a call may take to end after the load.
const LAST: Duration = Duration::from_secs(30);

/// Runs it, and prints the report. Returns whether the verdicts agree with the logs.
///
/// # Errors
/// A peer or the service cannot be started.
pub async fn run(cli: &Cli) -> Result<bool, BoxError> {
    if std::env::var_os("RUST_LOG").is_some() {
        let log = fmt::layer().json().flatten_event(true).with_writer(io::stderr);
        tracing_subscriber::registry().with(EnvFilter::from_default_env()).with(log).init();
    }
    let report = drive(cli).await?;
    let text = match cli.json {
        true => serde_json::to_string_pretty(&report)? + "\n",
        false => report.to_string(),
    };
    // A closed pipe (`| head`) is an error; `println!` would panic.
    io::stdout().write_all(text.as_bytes())?;
    report.problems.iter().for_each(|problem| eprintln!("mail-filter: {problem}"));
    Ok(report.agrees())
}

async fn drive(cli: &Cli) -> Result<Report, BoxError> {
    let receiver = Receiver::start().await?;
    // Ignores the environment: the report needs every metric, and no span.
    let lookup = |key: &str| (key == "OTEL_TRACES_EXPORTER").then(|| "none".to_owned());
    let builder = Telemetry::builder("mail-filter").lookup(lookup).without_globals();
    let builder = builder.protocol(OtlpProtocol::HttpProtobuf).endpoint(receiver.http_endpoint());
    let (builder, page) = Page::add(builder)?;
    let telemetry = builder.build()?;
    let retries = Arc::new(AtomicU64::new(0));
    let retried = retries.clone();
    let outbound = Outbound::builder()
        // All hosts have one name here.
        .observer(telemetry.observer().metric_label(MetricLabel::OutboundPort).build())
        .observer(MilterObserver::new(Some(&telemetry)))
        .observer(move |event: &Event<'_>| {
            if let Event::RetryDecided { decision: Ok(_), .. } = event {
                retried.fetch_add(1, Relaxed);
            }
        });

    let ledger = Arc::new(Ledger::default());
    let peers = Peers::start(&ledger).await?;
    let reloads = Reloads::new(&peers)?;
    let variables: [(String, String); 0] = [];
    let source = ConfigSource::new(Some(reloads.path())).variables(variables);
    let metrics = Metrics::new(Some(&telemetry));
    let filter = Filter::new(source, outbound, metrics, Outbound::http_connector)?;
    let on_signal = tokio::spawn(service::reload_on_sighup(&filter)?);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let sabotage = Sabotage::new(cli);
    let routes = sabotage.around(service::routes(filter.clone(), page.clone()));
    let server = tokio::spawn(async move { axum::serve(listener, routes).await });

    let end = Instant::now() + cli.seconds.unwrap_or_default();
    let load = Load::start(address, &ledger, end);
    let faults = tokio::spawn(faults::play(peers.clone(), page.clone(), end));
    let mut done = reloads.play(&filter, end).await;
    let missed = faults.await?;
    if timeout(LAST, load.end()).await.is_err() {
        done.problems.push(format!("a call has not ended {LAST:?} after the load"));
    }
    done.problems.extend(missed);
    // The last snapshot but the current one ends with its last message.
    sleep(Duration::from_millis(10)).await;
    done.check_snapshots();
    on_signal.abort();
    server.abort();
    tokio::task::block_in_place(|| telemetry.force_flush()).map(drop)?;
    let roles = peers.roles();
    let hosts = hosts::of(&receiver.metrics(), &roles);
    let report = Report::new(
        ledger.account(),
        done,
        retries.load(Relaxed),
        peers.most_sockets(),
        &page.text()?,
        hosts.iter().map(hosts::Host::report).collect(),
    );
    let _report = telemetry.shutdown().await;
    Ok(report)
}
