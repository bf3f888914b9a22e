//! The report as JSON.

use std::collections::BTreeSet;

use outbound_tests::otlp::hosts::{Host, HostReport};
use serde::Serialize;

use super::Report;

/// Times are in seconds, and are upper bounds of histogram buckets.
#[derive(Serialize)]
pub(crate) struct Json<'a> {
    source: &'a str,
    /// Null if another receiver has them.
    traces: Option<usize>,
    spans: Option<usize>,
    hosts: Vec<HostReport>,
    metrics: BTreeSet<&'a str>,
}

impl<'a> Json<'a> {
    /// `report` is `None` if another receiver has the telemetry.
    pub(crate) fn new(source: &'a str, report: Option<&'a Report>) -> Json<'a> {
        Json {
            source,
            traces: report.map(|report| report.traces),
            spans: report.map(|report| report.spans.len()),
            hosts: report.map(|report| report.hosts.iter().map(Host::report).collect()).unwrap_or_default(),
            metrics: report
                .map(|report| report.metrics.iter().map(String::as_str).collect())
                .unwrap_or_default(),
        }
    }
}
