//! The report as JSON.

use std::collections::BTreeSet;

use outbound_tests::otlp::hosts::{Host, HostReport};
use serde::Serialize;

use super::Report;

/// Times are in seconds, and are upper bounds of histogram buckets.
#[derive(Serialize)]
pub(crate) struct Json<'a> {
    source: &'static str,
    traces: usize,
    spans: usize,
    hosts: Vec<HostReport>,
    metrics: BTreeSet<&'a str>,
}

impl<'a> Json<'a> {
    pub(crate) fn new(report: &'a Report) -> Json<'a> {
        Json {
            source: "embedded OTLP receiver",
            traces: report.traces,
            spans: report.spans.len(),
            hosts: report.hosts.iter().map(Host::report).collect(),
            metrics: report.metrics.iter().map(String::as_str).collect(),
        }
    }
}
