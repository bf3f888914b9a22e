//! The report, made only of what the receiver received.

mod json;
mod table;
mod traces;
mod unit;
mod waterfall;

use std::collections::{BTreeSet, HashSet};
use std::fmt;

pub(crate) use outbound_tests::otlp::hosts::Role;
use outbound_tests::otlp::hosts::{self, Host};
use outbound_tests::otlp::{Receiver, Span, SpanKind};
use tower_outbound_telemetry::console::Waterfall;

pub(crate) use self::json::Json;
use self::table::Table;
pub(crate) use self::table::frameless;
use self::traces::Wholeness;
use crate::traffic::Traffic;

const DEMONSTRATION: &str = "A demonstration, not a template. To write a service, copy examples/axum.";
const HOW_TO_READ: &str = "\
Each bar shows when a span ran, below the span that contains it. All requests have one scale. The
longest of the innermost bars is where the time went. send: until the last byte of the request was
written; wait: the upstream's share; body: from the response head to its last byte.
";
const OFF: &str = "check OTEL_SDK_DISABLED and ";
/// Columns of everything printed.
const WIDTH: usize = 100;

/// What the receiver received in a run.
pub(crate) struct Report {
    spans: Vec<Span>,
    traces: usize,
    /// Number of traces that contain only a connect: another connection served the request that started it.
    connects: usize,
    hosts: Vec<Host>,
    metrics: BTreeSet<String>,
}

impl Report {
    /// Reads the receiver.
    pub(crate) fn new(receiver: &Receiver, roles: &[Role]) -> Report {
        let spans = receiver.spans();
        let traces: HashSet<_> = spans.iter().map(|span| &span.span.trace_id).collect();
        let attempts = spans.iter().filter(|span| span.kind() != SpanKind::Internal);
        let requests: HashSet<_> = attempts.map(|span| &span.span.trace_id).collect();
        Report {
            traces: traces.len(),
            connects: traces.difference(&requests).count(),
            hosts: hosts::of(&receiver.metrics(), roles),
            metrics: receiver.metric_names(),
            spans,
        }
    }

    /// Compares the received spans with the requests of the caller and the `traceparent`s of the upstreams.
    pub(crate) fn wholeness(&self, traffic: &Traffic) -> Wholeness {
        Wholeness::of(&traffic.sent, &self.spans)
    }

    /// The report as text.
    pub(crate) fn text<'a>(&'a self, traffic: &'a Traffic) -> impl fmt::Display + 'a {
        Text { report: self, traffic }
    }
}

struct Text<'a> {
    report: &'a Report,
    traffic: &'a Traffic,
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Text { report, traffic } = self;
        writeln!(f, "{DEMONSTRATION}\n\n{traffic}\n")?;
        if report.spans.is_empty() {
            writeln!(f, "No spans were received: {OFF}OTEL_TRACES_EXPORTER, OTEL_TRACES_SAMPLER.\n")?;
        } else {
            let waterfall = [("COLD", traffic.cold), ("WARM", traffic.warm), ("TWIN", traffic.twin)]
                .into_iter()
                .fold(Waterfall::new().width(WIDTH), |waterfall, (title, trace)| {
                    waterfall::add(waterfall, title, trace, &report.spans)
                });
            writeln!(f, "{waterfall}\n{HOW_TO_READ}")?;
        }
        if report.hosts.is_empty() {
            writeln!(f, "No metrics were received: {OFF}OTEL_METRICS_EXPORTER.\n")?;
        } else {
            writeln!(f, "{}", Table(&report.hosts))?;
        }
        writeln!(f, "{}.", report.wholeness(traffic))?;
        writeln!(
            f,
            "Source: the embedded OTLP receiver, with {} spans in {} traces and {} metrics. {} of the traces\n\
             are connects that did not serve the request that started them; they are linked to it.",
            report.spans.len(),
            report.traces,
            report.metrics.len(),
            report.connects
        )
    }
}
