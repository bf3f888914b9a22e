//! One request into each fault that needs only this process, and what is reported.

mod caller;
mod connect;
mod own;
mod peer;
mod report;
mod tls;
mod told;

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::pin::Pin;
use std::process::ExitCode;
use std::time::Duration;

use axum::http::Uri;
use outbound_tests::faults::{Expected, table};
use tokio::time::{Instant, timeout_at};

use self::report::{Row, Table};
use self::told::Told;
use crate::progress;

/// A fault that takes longer hangs. Each takes two timeouts at most.
const PATIENCE: Duration = Duration::from_secs(4);
/// All of them together.
const IN_ALL: Duration = Duration::from_secs(18);

/// A fault by its name in the document.
struct Fault {
    name: &'static str,
    http2: bool,
    run: Pin<Box<dyn Future<Output = io::Result<Told>>>>,
}

fn fault(name: &'static str, run: impl Future<Output = io::Result<Told>> + 'static) -> Fault {
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

/// Meets every fault and prints what was reported. Fails if a report deviates from the document.
///
/// On one thread, so that peer and client take turns: the order decides some faults.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn run(json: bool) -> ExitCode {
    let rows = match meet(all(), json).await {
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

async fn meet(faults: Vec<Fault>, quiet: bool) -> io::Result<Vec<Row>> {
    let document = table();
    let progress = progress::bar(quiet);
    progress.set_length(faults.len() as u64);
    progress.set_message("faults");
    let end = Instant::now() + IN_ALL;
    let mut rows = Vec::new();
    for Fault { name, http2, run } in faults {
        let told = match timeout_at(end.min(Instant::now() + PATIENCE), run).await {
            Ok(told) => told.map_err(|error| io::Error::new(error.kind(), format!("{name}: {error}")))?,
            Err(_) => Told::default(),
        };
        rows.push(Row::new(name, http2, &told, expected(&document, name, http2)));
        progress.inc(1);
    }
    progress.finish_and_clear();
    Ok(rows)
}

/// The row of the document, if there is one.
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
