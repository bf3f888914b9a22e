//! The page as HTML, without scripts.

use std::collections::BTreeMap;
use std::sync::Arc;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::waterfall::waterfall;
use super::{ConnectionRow, OriginRow};
use crate::calls::KeptCall;
use crate::reason::Reason;

const STYLE: &str = include_str!("style.css");

/// Connections that are listed. The JSON has all of them.
const MAX_CONNECTIONS: usize = 200;

/// What the page shows.
#[derive(Debug)]
pub(crate) struct Content<'a> {
    pub(crate) origins: &'a [OriginRow],
    pub(crate) connections: &'a [ConnectionRow],
    pub(crate) slow: &'a [Arc<KeptCall>],
    pub(crate) troubled: &'a [Arc<KeptCall>],
    pub(crate) slow_from_ms: f64,
    /// Seconds after which a browser asks again.
    pub(crate) refresh: Option<u32>,
}

/// The whole page.
pub(crate) fn html(content: &Content<'_>) -> Markup {
    let Content { origins, connections, slow, troubled, slow_from_ms, refresh } = content;
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                @if let Some(seconds) = refresh { meta http-equiv="refresh" content=(seconds); }
                title { "Outbound requests" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "Outbound requests" }
                nav {
                    @match refresh {
                        Some(seconds) => { "Every " (seconds) " s. " a href="?" { "Stop" } }
                        None => { a href="?refresh=5" { "Refresh every 5 s" } }
                    }
                    " · JSON: " a href="?json=origins" { "origins" } ", " a href="?json=connections" { "connections" } ", "
                    a href="?json=calls" { "calls" }
                }
                (of_origins(origins))
                (of_phases(origins))
                (calls("failed", "Last calls that failed or were retried", troubled))
                (calls("slow", &format!("Last calls of {} and more", duration(*slow_from_ms)), slow))
                (of_connections(connections))
            }
        }
    }
}

fn of_origins(origins: &[OriginRow]) -> Markup {
    html! {
        h2 #origins { "Origins" }
        (table(origins.iter().map(|row| [
            ("origin", html! { (row.origin) }),
            ("requests, last minute", html! { (row.minute.requests) }),
            ("failed", failures(&row.minute.failures)),
            ("reused", html! { (percent(row.minute.reuse_rate)) }),
            ("in use", html! { (row.connections.in_use) }),
            ("idle", html! { (row.connections.idle) }),
            ("draining", html! { (row.connections.draining) }),
            ("limit", html! { @match row.connection_limit { Some(limit) => (limit), None => "–" } }),
            ("waiting", html! { (row.waiting) }),
            ("limit in flight", html! { @match row.in_flight_limit { Some(limit) => (limit), None => "–" } }),
            ("requests in all", html! { (row.total.requests) }),
            ("failed in all", failures(&row.total.failures)),
        ])))
        @if origins.is_empty() { p.dim { "No request yet." } }
    }
}

/// A table of rows with the same columns. On a narrow screen, each row is a card.
fn table<const N: usize>(rows: impl Iterator<Item = [(&'static str, Markup); N]>) -> Markup {
    let mut rows = rows.peekable();
    let names = rows.peek().map(|row| row.each_ref().map(|(name, _)| *name));
    html! {
        @if let Some(names) = names {
            table.cards {
                thead { tr { @for name in names { th { (name) } } } }
                tbody { @for row in rows {
                    tr { @for (name, content) in row { td data-name=(name) { span { (content) } } } }
                } }
            }
        }
    }
}

fn of_phases(origins: &[OriginRow]) -> Markup {
    let with_phases = || origins.iter().filter(|row| !row.phases.is_empty());
    html! {
        h2 #phases { "Phases of the last minute, p50 / p99" }
        table { tbody { @for row in with_phases() { tr {
            td { (row.origin) }
            td.wide { @for phase in &row.phases {
                span class={"key " (phase.phase)} {
                    (phase.phase) " " (duration(phase.p50_ms)) " / " (duration(phase.p99_ms))
                }
                " "
            } }
        } } } }
    }
}

fn calls(id: &str, title: &str, calls: &[Arc<KeptCall>]) -> Markup {
    html! {
        h2 id=(id) { (title) }
        @if calls.is_empty() { p.dim { "None." } }
        @for (index, call) in calls.iter().enumerate() {
            details open[index == 0] {
                summary {
                    (duration(call.total_ms)) " "
                    @if let Some(first) = call.attempts.first() {
                        (first.method) " " (first.origin)
                        @if let Some(template) = &first.template { (template) }
                        " "
                    }
                    b class=[call.attempts.last().and_then(|last| last.reason).map(|_| "bad")] { (call.outcome) }
                    @if call.attempts.len() > 1 { " after " (call.attempts.len()) " attempts" }
                    span.dim { ", " (duration(call.age_ms())) " ago" }
                }
                (waterfall(call))
            }
        }
    }
}

fn of_connections(connections: &[ConnectionRow]) -> Markup {
    html! {
        h2 #connections { (connections.len()) " open connections" }
        (table(connections.iter().take(MAX_CONNECTIONS).map(|row| [
            ("origin", html! { (row.origin) }),
            ("id", html! { (row.id) }),
            ("state", html! { (row.state) }),
            ("age", html! { (duration(row.age_ms)) }),
            ("idle", html! { @if let Some(idle) = row.idle_ms { (duration(idle)) } }),
            ("uses", html! { (row.uses) }),
            ("in flight", html! { (row.in_flight) }),
            ("HTTP", html! { (row.protocol.unwrap_or("")) }),
            ("TLS", html! { (row.tls.unwrap_or("")) }),
            ("bytes in", html! { (row.bytes_in) }),
            ("bytes out", html! { (row.bytes_out) }),
            ("peer", html! { @if let Some(peer) = row.peer { (peer) } }),
        ])))
        @if connections.len() > MAX_CONNECTIONS { p.dim { "The JSON has the others." } }
    }
}

fn failures(failures: &BTreeMap<Reason, u64>) -> Markup {
    html! {
        @if failures.is_empty() { "0" }
        @for (index, (reason, count)) in failures.iter().enumerate() {
            @if index > 0 { br; }
            span.bad { (count) " × " (reason) }
        }
    }
}

fn percent(rate: Option<f64>) -> String {
    rate.map_or_else(|| "–".to_owned(), |rate| format!("{:.1} %", rate * 100.0))
}

/// A duration as people read it.
pub(super) fn duration(ms: f64) -> String {
    match ms {
        ..1_000.0 => format!("{ms:.1} ms"),
        ..60_000.0 => format!("{:.1} s", ms / 1e3),
        ..3_600_000.0 => format!("{:.0} min", ms / 6e4),
        _ => format!("{:.1} h", ms / 3.6e6),
    }
}
