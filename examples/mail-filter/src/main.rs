//! `cargo run --release -p mail-filter -- --config FILE`, or `-- --seconds 15 --json`, which drives itself.

use std::error::Error;
use std::process::ExitCode;

use mail_filter::cli::{Cli, USAGE};
use mail_filter::config::{ConfigError, ConfigSource};
use mail_filter::demonstration;
use mail_filter::filter::Filter;
use mail_filter::metrics::{Metrics, MilterObserver, Page};
use mail_filter::service;
use tokio::net::TcpListener;
use tower_outbound::Outbound;
use tower_outbound_telemetry::Telemetry;
use tracing_subscriber::{EnvFilter, fmt, prelude::*};

#[tokio::main]
async fn main() -> ExitCode {
    let cli = match Cli::read() {
        Ok(cli) => cli,
        Err(exit) => return exit,
    };
    let result = match cli.seconds {
        Some(_) => demonstration::run(&cli).await,
        None => serve(&cli).await.map(|()| true),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("mail-filter: {error}");
            ExitCode::from(if error.is::<ConfigError>() { USAGE } else { 1 })
        }
    }
}

/// Serves until ctrl-c or SIGTERM.
async fn serve(cli: &Cli) -> Result<(), Box<dyn Error + Send + Sync>> {
    let (builder, page) = Page::add(Telemetry::builder("mail-filter"))?;
    let telemetry = builder.build()?;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = fmt::layer().json().flatten_event(true).with_writer(std::io::stderr);
    tracing_subscriber::registry().with(filter).with(log).with(telemetry.layer()).init();

    let builder = Outbound::builder()
        .observer(telemetry.observer().server_timing("total").build())
        .observer(MilterObserver::new(Some(&telemetry)));
    let source = ConfigSource::new(cli.config.clone());
    let filter = Filter::new(source, builder, Metrics::new(Some(&telemetry)), Outbound::http_connector)?;
    // Before the service says that it is there: a reader may send a signal at once.
    let reloads = tokio::spawn(service::reload_on_sighup(&filter)?);
    let end = service::end()?;
    let listener = TcpListener::bind(cli.listen).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, service::routes(filter, page)).with_graceful_shutdown(end).await?;
    reloads.abort();
    let report = telemetry.shutdown().await;
    if !report.is_complete() {
        eprintln!("telemetry: {report}");
    }
    Ok(())
}
