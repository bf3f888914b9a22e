//! Requests as they ran, from their spans.

use std::fmt;
use std::time::Duration;

use opentelemetry::trace::TraceId;
use outbound_tests::otlp::{Span, SpanKind};

use super::WIDTH;
use super::bar::bar;
use super::unit::millis;

/// The columns of the time at the end of a row.
const TIME: usize = 10;

/// Requests under one another, on one scale, so that their bars compare.
pub(super) struct Waterfalls<'a>(pub(super) Vec<Waterfall<'a>>);

/// The spans of one trace, in the order of a reader.
pub(super) struct Waterfall<'a> {
    title: &'static str,
    rows: Vec<Row<'a>>,
}

struct Row<'a> {
    name: String,
    span: &'a Span,
}

impl<'a> Waterfall<'a> {
    pub(super) fn of(title: &'static str, trace: TraceId, spans: &'a [Span]) -> Waterfall<'a> {
        let trace = trace.to_bytes();
        let spans: Vec<_> = spans.iter().filter(|span| span.span.trace_id == trace).collect();
        let mut rows = Vec::new();
        // The caller's span is not exported: the root is the one whose parent is not here.
        for root in spans.iter().filter(|span| !spans.iter().any(|other| is_parent(other, span))) {
            descend(&mut rows, 1, root, &spans);
        }
        Waterfall { title, rows }
    }

    fn start(&self) -> u64 {
        self.rows.iter().map(|row| row.span.start()).min().unwrap_or(0)
    }

    /// From the first start to the last end.
    fn total(&self) -> Duration {
        let end = self.rows.iter().map(|row| row.span.end()).max();
        Duration::from_nanos(end.unwrap_or(0).saturating_sub(self.start()))
    }

    /// What the exchange says of its connection.
    fn connection(&self) -> String {
        let Some(row) = self.rows.iter().find(|row| row.span.kind() == SpanKind::Client) else {
            return "no client span was received".to_owned();
        };
        let attr = |key| row.span.attr(key).unwrap_or_else(|| "?".to_owned());
        let connection = format!(
            "HTTP/{} on connection {}",
            attr("network.protocol.version"),
            attr("outbound.connection.id")
        );
        match (attr("outbound.connection.reuse").as_str(), attr("outbound.connection.setup_paid").as_str()) {
            ("new", "true") => format!("{connection}, new: this request paid for its setup"),
            ("reused", _) => format!("{connection}, reused: no setup to pay for"),
            (reuse, _) => format!("{connection}, {reuse}"),
        }
    }
}

fn is_parent(parent: &Span, child: &Span) -> bool {
    parent.span.span_id == child.span.parent_span_id
}

fn descend<'a>(rows: &mut Vec<Row<'a>>, depth: usize, span: &'a Span, all: &[&'a Span]) {
    let kind = match span.kind() {
        SpanKind::Server => " (gateway)",
        SpanKind::Client => " (upstream)",
        _ => "",
    };
    rows.push(Row { name: format!("{}{}{kind} ", "  ".repeat(depth), span.name()), span });
    let mut children: Vec<_> = all.iter().filter(|child| is_parent(span, child)).collect();
    // Of two that start together the longer contains the other.
    children.sort_by_key(|child| (child.start(), std::cmp::Reverse(child.end())));
    for child in children {
        descend(rows, depth + 1, child, all);
    }
}

impl fmt::Display for Waterfalls<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self.0.iter().flat_map(|waterfall| &waterfall.rows);
        let names = rows.map(|row| row.name.chars().count()).max().unwrap_or(0).min(WIDTH / 2);
        let width = WIDTH - names - TIME - 2;
        let scale = self.0.iter().map(Waterfall::total).max().unwrap_or_default();
        for (number, waterfall) in self.0.iter().enumerate() {
            if number > 0 {
                writeln!(f)?;
            }
            let Waterfall { title, rows } = waterfall;
            writeln!(f, "{title}  {}, {}", millis(waterfall.total()), waterfall.connection())?;
            let share = |at: u64| (at - waterfall.start()) as f64 / scale.as_nanos() as f64;
            for Row { name, span } in rows {
                let name: String = name.chars().take(names).collect();
                let bar = bar(share(span.start()), share(span.end()), width);
                writeln!(f, "{name:names$}│{bar}│{:>TIME$}", millis(span.duration()))?;
            }
            writeln!(f, "{:names$} 0{:>2$}", "", millis(scale), width - 1)?;
        }
        Ok(())
    }
}
