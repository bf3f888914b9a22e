//! The report as JSON.

use std::collections::BTreeSet;

use serde::Serialize;

use super::Report;

/// Times are in seconds, and are upper bounds of histogram buckets.
#[derive(Serialize)]
pub(crate) struct Json<'a> {
    source: &'a str,
    /// Null if another receiver has them.
    traces: Option<usize>,
    spans: Option<usize>,
    hosts: Vec<Host<'a>>,
    metrics: BTreeSet<&'a str>,
}

#[derive(Serialize)]
struct Host<'a> {
    host: &'a str,
    port: u16,
    role: Option<&'static str>,
    scheme: &'a str,
    requests: u64,
    /// Null if the client does not expose which connection served.
    reuse_rate: Option<f64>,
    connections: u64,
    connect_p50_s: Option<f64>,
    connect_p99_s: Option<f64>,
    ttfb_p50_s: Option<f64>,
    ttfb_p99_s: Option<f64>,
    body_p50_s: Option<f64>,
    body_p99_s: Option<f64>,
}

impl<'a> Json<'a> {
    /// `report` is `None` if another receiver has the telemetry.
    pub(crate) fn new(source: &'a str, report: Option<&'a Report>) -> Json<'a> {
        Json {
            source,
            traces: report.map(|report| report.traces),
            spans: report.map(|report| report.spans.len()),
            hosts: report.map(|report| report.hosts.iter().map(host).collect()).unwrap_or_default(),
            metrics: report
                .map(|report| report.metrics.iter().map(String::as_str).collect())
                .unwrap_or_default(),
        }
    }
}

fn host(host: &super::Host) -> Host<'_> {
    Host {
        host: &host.host,
        port: host.port,
        role: host.role,
        scheme: &host.scheme,
        requests: host.requests as u64,
        reuse_rate: host.reuse_rate(),
        connections: host.connections as u64,
        connect_p50_s: host.connect.p50,
        connect_p99_s: host.connect.p99,
        ttfb_p50_s: host.ttfb.p50,
        ttfb_p99_s: host.ttfb.p99,
        body_p50_s: host.body.p50,
        body_p99_s: host.body.p99,
    }
}
