//! Both words, for people.

use std::fmt::Write as _;

use tokio::time::Instant;

use super::Attempt;
use crate::witness::log::{PeerConnection, PeerRequest};
use crate::witness::reported::ConnectionReport;

impl Attempt<'_> {
    /// What both sides have of an attempt. Times are those since its start.
    pub(super) fn story(&self) -> String {
        let Attempt { report, seen, named, .. } = self;
        let mut story = format!(
            "reported: attempt {}, {:?}, ended at {:?}",
            report.id,
            report.end,
            report.end_at - report.start
        );
        for (phase, start, end) in &report.phases {
            let _ = write!(story, ", {phase} {:?}", end.saturating_duration_since(*start));
        }
        let _ = write!(story, ", use {:?}, {:?}", report.usage, report.reuse);
        match (report.connection, named) {
            (_, Some((connection, _))) => _ = write!(story, ", on {}", brief(connection)),
            (Some(serving), None) => _ = write!(story, ", on {serving:?}"),
            (None, None) => story.push_str(", on no connection"),
        }
        match (seen, named) {
            (Some((peer, request)), _) => {
                let _ = write!(story, "; logged: {} on {}", read(request, report.start), logged(peer));
            }
            (None, Some((_, Some(peer)))) => {
                let _ = write!(story, "; logged: nothing of it on {}", logged(peer));
            }
            (None, _) => story.push_str("; logged: nothing of it"),
        }
        story
    }
}

fn read(request: &PeerRequest, start: Instant) -> String {
    let since = |at: Instant| match at.checked_duration_since(start) {
        Some(after) => format!("{after:?}"),
        None => format!("-{:?}", start - at),
    };
    let PeerRequest { number, first_read, last_read, wire, body, whole, answer, refusal, .. } = request;
    let mut text = format!(
        "request {number}, {wire} bytes with {body} of its body from {} to {}, {}",
        since(*first_read),
        since(*last_read),
        if *whole { "whole" } else { "not whole" }
    );
    if let Some(answer) = answer {
        let early = if answer.after_whole { "" } else { " early" };
        let whole = if answer.whole { "whole" } else { "not whole" };
        let _ = write!(text, ", answered{early} at {}, {} bytes, {whole}", since(answer.at), answer.body);
    }
    if let Some(refusal) = refusal {
        let _ = write!(text, ", {refusal:?}");
    }
    text
}

/// A connection as it was reported.
pub(super) fn brief(report: &ConnectionReport) -> String {
    let ConnectionReport { id, port, closed, uses, bytes_in, bytes_out, .. } = report;
    format!(
        "connection {id} from port {port}, {uses} uses, {bytes_out} bytes out, {bytes_in} in, closed by {closed:?}"
    )
}

/// A connection as its peer logged it.
pub(in crate::witness) fn logged(peer: &PeerConnection) -> String {
    let PeerConnection { number, port, read, written, requests, goodbye, garbage, end, to_the_end, .. } =
        peer;
    let rest = if *to_the_end { "and read to the end" } else { "not read to the end" };
    let goodbye = goodbye.map_or(String::new(), |goodbye| format!(" after {goodbye:?}"));
    let garbage = if *garbage { " after garbage" } else { "" };
    format!(
        "connection {number} from port {port}, {} requests in {read} bytes, {written} bytes written, ended by {end:?}{goodbye}{garbage} {rest}",
        requests.len()
    )
}
