//! Jaeger with its memory as storage, and its HTTP API.

use std::io;
use std::net::SocketAddr;

use http_body_util::BodyExt as _;
use serde_json::Value;
use tempfile::TempDir;
use tower_outbound::{Outbound, OutboundClient};

use super::process::free_addresses;
use super::{Daemon, JAEGER};

/// Jaeger on free ports, with a directory of its own. Dropping it kills the process.
#[derive(Debug)]
pub struct Jaeger {
    query: Daemon,
    otlp: SocketAddr,
    client: OutboundClient,
}

impl Jaeger {
    /// Starts Jaeger with this configuration (YAML), whose addresses are replaced, and waits until it answers.
    pub async fn start(configuration: &str) -> io::Result<Jaeger> {
        let directory = TempDir::with_prefix("outbound-jaeger-")?;
        let [query, otlp, first, second] = free_addresses()?;
        let addresses = [("16686", query), ("4318", otlp), ("16685", first), ("4317", second)].into_iter();
        let text = addresses.fold(configuration.to_owned(), |text, (port, address)| {
            text.replace(&format!("localhost:{port}"), &address.to_string())
        });
        // No metrics of its own, whose port may be taken.
        let text = text.replace("service:\n", "service:\n  telemetry: {metrics: {level: none}}\n");
        std::fs::write(directory.path().join("jaeger.yaml"), text)?;
        let daemon = Daemon::start(JAEGER, directory, query, &["--config", "jaeger.yaml"]).await?;
        Ok(Jaeger { query: daemon, otlp, client: Outbound::new().client() })
    }

    /// The endpoint for OTLP over HTTP, without `/v1/traces`.
    #[must_use]
    pub fn otlp_endpoint(&self) -> String {
        format!("http://{}", self.otlp)
    }

    /// The `data` of an answer of its API.
    pub async fn get(&self, path: &str) -> io::Result<Vec<Value>> {
        let response = self.client.get(self.query.uri("http", path)).await.map_err(io::Error::other)?;
        let body = response.into_body().collect().await.map_err(io::Error::other)?.to_bytes();
        let answer: Value = serde_json::from_slice(&body)?;
        answer["data"].as_array().cloned().ok_or_else(|| io::Error::other(answer.to_string()))
    }
}
