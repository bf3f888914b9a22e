//! What a person wants to look at, made of nothing but what the receiver received.

mod hosts;
mod json;
mod table;
mod traces;
mod unit;
mod waterfall;

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::net::SocketAddr;

use outbound_tests::otlp::{Receiver, Span, SpanKind};
use tower_outbound_telemetry::console::Waterfall;

use self::hosts::Host;
pub(crate) use self::json::Json;
use self::table::Table;
pub(crate) use self::table::frameless;
use self::traces::Wholeness;
use crate::traffic::Traffic;

const HOW_TO_READ: &str = "\
Bars show when each span ran, indented below the one that it is part of, all requests on one scale:
the longest of the innermost bars is where the time went. send: until the request's last byte was
written; wait: the upstream's share; body: from the head to the last byte.
";
const OFF: &str = "they may be turned off by OTEL_SDK_DISABLED, ";
/// Columns of everything printed.
const WIDTH: usize = 100;

/// What was received of a run.
pub(crate) struct Report {
    spans: Vec<Span>,
    traces: usize,
    /// Traces of a connect alone: the request that started it was served by another connection.
    connects: usize,
    hosts: Vec<Host>,
    metrics: BTreeSet<String>,
}

/// What a host is to the run, where its address alone does not say it.
pub(crate) type Role = (SocketAddr, &'static str);

impl Report {
    /// Asks the receiver.
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

    /// Compares what was received with what the caller sent and the upstream saw.
    pub(crate) fn wholeness(&self, traffic: &Traffic) -> Wholeness {
        Wholeness::of(&traffic.sent, &self.spans)
    }

    /// The whole of it, for a person.
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
        writeln!(f, "{traffic}\n")?;
        if report.spans.is_empty() {
            writeln!(f, "No spans were received: {OFF}OTEL_TRACES_EXPORTER or OTEL_TRACES_SAMPLER.\n")?;
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
            "All of this is from the embedded OTLP receiver: {} spans in {} traces ({} of them connects\n\
             that did not serve the request that started them, and are linked to it) and {} metrics.",
            report.spans.len(),
            report.traces,
            report.connects,
            report.metrics.len()
        )
    }
}
