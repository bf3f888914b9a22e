//! How much of a failed request was sent.

use std::time::Duration;

use tower_outbound::SendState;

use super::{Attempt, Field, Joined, Verdict};
use crate::witness::log::{Goodbye, PeerConnection, PeerEnd, PeerRequest, Refusal};
use crate::witness::reported::End;

/// A write of an upload is given more than this, and the socket takes a part of it.
const WRITE: u64 = 4 << 10;

/// Within this time a frame of the peer has arrived, and was read.
const ARRIVAL: Duration = Duration::from_millis(20);

/// Returns the state, if there is one and it is right.
pub(super) fn judge(joined: &Joined<'_>, attempt: &Attempt<'_>, verdict: &mut Verdict) -> Option<SendState> {
    let End::Failed(kind, _, state) = attempt.report.end else { return None };
    let why = match state {
        None => Some("no send state".to_owned()),
        Some(SendState::NotSent) => not_sent(attempt),
        Some(SendState::Partial(bytes)) => partial(joined, attempt, bytes),
        Some(SendState::Sent) => sent(attempt),
        Some(SendState::NotProcessed) => not_processed(joined, attempt),
        Some(SendState::Unknown) => {
            verdict.unknown_send.push((attempt.report.step, attempt.story()));
            unknown(joined, attempt)
        }
        Some(_) => Some("a state that is new".to_owned()),
    };
    let Some(why) = why else { return state };
    let why = format!("{state:?} after {kind}, but {why}; {}", attempt.story());
    verdict.wrong(Field::SendState, Some(attempt.report.step), why);
    None
}

impl Attempt<'_> {
    /// The bytes of the request that its connection has written in the end, where no other request was behind it.
    fn written(&self) -> Option<u64> {
        let (connection, _) = self.named?;
        let last = connection.uses == self.report.usage?;
        last.then_some(connection.bytes_out.checked_sub(self.before()?)?)
    }

    /// The bytes of the requests before it on its connection.
    pub(super) fn before(&self) -> Option<u64> {
        let (_, peer) = self.named?;
        let requests = &peer?.requests;
        // Requests that the peer has not read whole have unknown lengths.
        let length = |n: u64| requests.get(n as usize - 1).filter(|one| one.whole).map(|one| one.wire);
        (1..self.report.usage?).map(length).sum()
    }

    /// The bytes of the request that were read.
    fn read(&self) -> u64 {
        let unfinished = || {
            let (_, peer) = self.named?;
            let peer = peer?;
            (self.report.usage? == peer.requests.len() as u64 + 1).then(|| peer.beyond())
        };
        self.seen.map(|(_, request)| request.wire).or_else(unfinished).unwrap_or_default()
    }
}

fn not_sent(attempt: &Attempt<'_>) -> Option<String> {
    if attempt.seen.is_some() {
        return Some("a peer has read it".to_owned());
    }
    let http2 = attempt.named.is_some_and(|(connection, _)| connection.http2);
    match attempt.read() {
        read @ 1.. if !http2 => Some(format!("a peer has read {read} bytes of it")),
        _ => None,
    }
}

fn partial(joined: &Joined<'_>, attempt: &Attempt<'_>, bytes: u64) -> Option<String> {
    if joined.scene.client.http2 {
        return Some("HTTP/2 has no such state".to_owned());
    }
    // A bound may be the whole: see below.
    if attempt.seen.is_some_and(|(_, request)| request.whole && (bytes < WRITE || bytes != request.wire)) {
        return Some("a peer has read it whole".to_owned());
    }
    let read = attempt.read();
    if read > bytes {
        return Some(format!("a peer has read {read} bytes of it"));
    }
    // While another thread is in a write, the report is the most that may be written: all that the write was given.
    let bound = |written: u64| written + WRITE <= bytes;
    let fits = |written: u64| written == bytes || bound(written);
    if let Some(written) = attempt.written().filter(|written| !fits(*written)) {
        return Some(format!("{written} bytes of it were written"));
    }
    let all_read = attempt.seen.is_some_and(|(peer, _)| peer.to_the_end);
    if all_read && read < bytes && !bound(read) && !joined.scene.client.tls {
        return Some(format!("{read} bytes of it left"));
    }
    None
}

fn sent(attempt: &Attempt<'_>) -> Option<String> {
    let peer = attempt.seen.map(|(peer, _)| peer).or_else(|| attempt.named?.1)?;
    let whole = attempt.seen.is_some_and(|(_, request)| request.whole);
    (peer.to_the_end && !whole).then(|| "the peer has read all that came, and not the whole of it".to_owned())
}

fn not_processed(joined: &Joined<'_>, attempt: &Attempt<'_>) -> Option<String> {
    if !joined.scene.client.http2 {
        return Some("HTTP/1 has no such state".to_owned());
    }
    let excludes = |peer: &PeerConnection| matches!(peer.goodbye, Some(Goodbye::GoAway(_)));
    let said = match attempt.seen {
        Some((peer, request)) => {
            let refused = matches!(request.refusal, Some(Refusal::Refused | Refusal::Excluded));
            // Also a stream that was reset first.
            let beyond = matches!(peer.goodbye, Some(Goodbye::GoAway(last)) if request.number > last);
            request.answer.is_none() && (refused || beyond)
        }
        None => joined.played.peer.iter().any(excludes),
    };
    (!said).then(|| "no peer said so".to_owned())
}

/// Whether the client could know of the peer's refusal. A timeout ends an attempt whatever has arrived; a busy machine takes
/// its time to read.
fn in_time(attempt: &Attempt<'_>, request: &PeerRequest) -> bool {
    let End::Failed(kind, ..) = attempt.report.end else { return true };
    let timed_out = kind.as_str().ends_with("_timeout");
    !timed_out || request.refused_at.is_none_or(|at| at + ARRIVAL < attempt.report.end_at)
}

/// No way out where somebody knows.
fn unknown(joined: &Joined<'_>, attempt: &Attempt<'_>) -> Option<String> {
    let client = joined.scene.client;
    if !client.is_tracked() {
        return None;
    }
    if !client.http2 {
        return Some("the connection is HTTP/1, and tracked".to_owned());
    }
    match attempt.seen {
        Some((peer, request)) => {
            // A reset takes what the client has not read yet, and garbage ends its reading.
            let arrived = peer.end != PeerEnd::Reset && !peer.garbage;
            let said = matches!(request.refusal, Some(Refusal::Refused | Refusal::Excluded));
            (said && arrived && in_time(attempt, request))
                .then(|| "the peer said that it did not process it".to_owned())
        }
        None => {
            // h2 tells the requests before it writes the GOAWAY by which this side gives the connection up: until then it may
            // still write what it has buffered.
            let gives_up = attempt.named.is_some_and(|(_, side)| side.is_some_and(|side| side.garbage));
            let told = !gives_up && !joined.may_have_taken(attempt.report.start);
            told.then(|| "the peers have read all that came, and nothing of it".to_owned())
        }
    }
}
