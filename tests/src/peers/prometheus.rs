//! Prometheus with its OTLP receiver, and its HTTP API.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::BodyExt as _;
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};
use tower_outbound::{Outbound, OutboundClient};

use super::process::free_addresses;
use super::{Daemon, PROMETHEUS};

const READY_WITHIN: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(50);
/// Another process may take the port before Prometheus does.
const STARTS: usize = 3;

/// Prometheus on a free port, with a directory of its own. Dropping it kills the process.
#[derive(Debug)]
pub struct Prometheus {
    daemon: Daemon,
    client: OutboundClient,
}

/// One series of the result of a query.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its value.
    pub value: f64,
}

/// An alert that is pending or fires.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Alert {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Whether it fires.
    pub fires: bool,
}

impl Prometheus {
    /// Starts Prometheus with this configuration (YAML), and further files in its directory, and waits until it is ready.
    pub async fn start(configuration: &str, files: &[(&str, &str)]) -> io::Result<Prometheus> {
        let mut starts = 0;
        let daemon = loop {
            starts += 1;
            match daemon(configuration, files).await {
                Err(error) if starts < STARTS && error.to_string().contains("address already in use") => {}
                started => break started?,
            }
        };
        let prometheus = Prometheus { daemon, client: Outbound::new().client() };
        let start = Instant::now();
        // Until its write-ahead log is read.
        while prometheus.get("/-/ready").await.is_err() {
            if start.elapsed() > READY_WITHIN {
                return Err(io::Error::other(format!("not ready\n{}", prometheus.daemon.output())));
            }
            sleep(POLL).await;
        }
        Ok(prometheus)
    }

    /// The endpoint for OTLP over HTTP, without `/v1/metrics`.
    #[must_use]
    pub fn otlp_endpoint(&self) -> String {
        format!("http://{}/api/v1/otlp", self.address())
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.daemon.address()
    }

    /// The result of an instant query at a time in seconds, or now.
    pub async fn query(&self, expression: &str, at: Option<f64>) -> io::Result<Vec<Sample>> {
        let mut path = format!("/api/v1/query?query={}", encoded(expression));
        if let Some(at) = at {
            write!(path, "&time={at:.3}").map_err(io::Error::other)?;
        }
        let answer = self.get(&path).await?;
        let results = answer["data"]["result"].as_array().cloned().unwrap_or_default();
        results
            .iter()
            .map(|result| sample(result).ok_or_else(|| io::Error::other(answer.to_string())))
            .collect()
    }

    /// The alerts that are pending or fire.
    pub async fn alerts(&self) -> io::Result<Vec<Alert>> {
        let answer = self.get("/api/v1/alerts").await?;
        let alerts = answer["data"]["alerts"].as_array().cloned().unwrap_or_default();
        let alert = |alert: &Value| {
            let labels = labels(&alert["labels"])?;
            let name = labels.get("alertname")?.clone();
            Some(Alert { name, labels, fires: alert["state"] == "firing" })
        };
        alerts.iter().map(|it| alert(it).ok_or_else(|| io::Error::other(answer.to_string()))).collect()
    }

    /// The answer of its API; text as a JSON string.
    async fn get(&self, path: &str) -> io::Result<Value> {
        let uri = format!("http://{}{path}", self.address());
        let response = self.client.get(uri).await.map_err(io::Error::other)?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(io::Error::other)?.to_bytes();
        if !status.is_success() {
            return Err(io::Error::other(format!("{path}: {status} {}", String::from_utf8_lossy(&body))));
        }
        Ok(serde_json::from_slice(&body)
            .unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&body).into_owned())))
    }
}

async fn daemon(configuration: &str, files: &[(&str, &str)]) -> io::Result<Daemon> {
    let directory = TempDir::with_prefix("outbound-prometheus-")?;
    for (name, text) in [("prometheus.yaml", configuration)].iter().chain(files) {
        std::fs::write(directory.path().join(name), text)?;
    }
    let [address] = free_addresses()?;
    let listen = format!("--web.listen-address={address}");
    let arguments = [
        "--config.file=prometheus.yaml",
        "--storage.tsdb.path=data",
        "--web.enable-otlp-receiver",
        "--enable-feature=created-timestamp-zero-ingestion",
        &listen,
    ];
    Daemon::start(PROMETHEUS, directory, address, &arguments).await
}

fn sample(result: &Value) -> Option<Sample> {
    Some(Sample { labels: labels(&result["metric"])?, value: result["value"][1].as_str()?.parse().ok()? })
}

fn labels(labels: &Value) -> Option<BTreeMap<String, String>> {
    let pair = |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_owned()));
    labels.as_object()?.iter().map(pair).collect()
}

/// Percent-encoded for a query string.
fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => encoded.push(byte.into()),
            // Cannot fail.
            _ => drop(write!(encoded, "%{byte:02X}")),
        }
    }
    encoded
}
