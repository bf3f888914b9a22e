//! One request into each fault that this process can play, and the report of each.

mod caller;
mod connect;
mod own;
mod peer;
mod report;
mod reported;
mod tls;

use std::error::Error;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::pin::Pin;
use std::process::ExitCode;
use std::time::Duration;

use axum::http::Uri;
use outbound_tests::faults::{Expected, table};
use tokio::time::{Instant, timeout_at};
use tower_outbound_telemetry::Telemetry;
use tracing::Instrument as _;

use self::report::{Row, Table};
use self::reported::Reported;
use crate::{progress, telemetry};

/// The bound of one fault, which needs two timeouts at most.
const PATIENCE: Duration = Duration::from_secs(4);
/// The bound of all faults together.
const IN_ALL: Duration = Duration::from_secs(18);

/// A fault, named as in the document.
struct Fault {
    name: &'static str,
    http2: bool,
    run: Pin<Box<dyn Future<Output = io::Result<Reported>>>>,
}

fn fault(name: &'static str, run: impl Future<Output = io::Result<Reported>> + 'static) -> Fault {
    Fault { name, http2: false, run: Box::pin(run) }
}

impl Fault {
    fn http2(self) -> Fault {
        Fault { http2: true, ..self }
    }
}

fn all() -> Vec<Fault> {
    [connect::faults(), tls::faults(), peer::faults(), own::faults()].into_iter().flatten().collect()
}

/// Plays every fault and prints the reports. Fails if a report deviates from the document.
///
/// Runs on one thread: some faults depend on the order in which peer and client run.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run(json: bool) -> ExitCode {
    let rows = match exported(meet(all(), json)).await {
        Ok(rows) => rows,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    let text = match json {
        true => serde_json::to_string_pretty(&rows).map(|json| json + "\n"),
        false => Ok(Table(&rows).to_string()),
    };
    match text.map_err(io::Error::from).and_then(|text| io::stdout().write_all(text.as_bytes())) {
        Ok(()) if rows.iter().all(Row::is_documented) => ExitCode::SUCCESS,
        Ok(()) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Also exports the telemetry of the requests, if the environment names a receiver.
async fn exported(rows: impl Future<Output = io::Result<Vec<Row>>>) -> Result<Vec<Row>, Box<dyn Error>> {
    let Some(backend) = telemetry::own_backend() else { return Ok(rows.await?) };
    // The observers of the callers use the global providers.
    let telemetry = Telemetry::builder("gateway").with_subscriber().build()?;
    let rows = rows.await;
    eprintln!("Telemetry to {backend}: {}.", telemetry.shutdown().await);
    Ok(rows?)
}

async fn meet(faults: Vec<Fault>, quiet: bool) -> io::Result<Vec<Row>> {
    let document = table();
    let progress = progress::bar(quiet);
    progress.set_length(faults.len() as u64);
    progress.set_message("faults");
    let end = Instant::now() + IN_ALL;
    let mut rows = Vec::new();
    for Fault { name, http2, run } in faults {
        // The caller's span, as a service has one: the attempts of a fault are one trace, with its name.
        let run = run.instrument(tracing::info_span!("fault", otel.name = format!("fault {name}")));
        let reported = match timeout_at(end.min(Instant::now() + PATIENCE), run).await {
            Ok(reported) => {
                reported.map_err(|error| io::Error::new(error.kind(), format!("{name}: {error}")))?
            }
            Err(_) => Reported::default(),
        };
        rows.push(Row::new(name, http2, &reported, expected(&document, name, http2)));
        progress.inc(1);
    }
    progress.finish_and_clear();
    Ok(rows)
}

/// The documented row, if the document has one.
fn expected<'a>(
    document: &'a [(String, [Option<Expected>; 2])],
    name: &str,
    http2: bool,
) -> Option<&'a Expected> {
    let (_, versions) = document.iter().find(|(slug, _)| slug == name)?;
    versions[usize::from(http2)].as_ref()
}

fn uri(scheme: &str, address: SocketAddr) -> Uri {
    let uri = Uri::builder().scheme(scheme).authority(address.to_string()).path_and_query("/").build();
    uri.expect("an address is an authority")
}
