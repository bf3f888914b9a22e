use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::{HeaderMap, StatusCode, Version};
use tokio::time::Instant;

use super::Attempt;
use super::association::{accept, confirm_connection};
use super::marks::{Mark, Marks};
use super::phases::{accepted_since, emit_phases, failing_phase, witness_sending};
use super::stream::{first_stream_since, waits_for_stream};
use crate::event::{Event, Outcome};
use crate::failure::Phase;
use crate::record::{CloseHint, Connection, PoolHandle};

/// An attempt, as the layer that waits for its response writes to it: observe, and the timeouts and retries around.
#[derive(Clone, Copy)]
pub(crate) struct AttemptResponse<'a>(pub(super) &'a Attempt);

impl AttemptResponse<'_> {
    /// Keeps a handle that the client fills when it picks a connection for the request.
    pub(crate) fn set_pool_handle(self, handle: Arc<dyn PoolHandle>) {
        self.0.0.serving().pool_handle = Some(handle);
    }

    /// A pool of this crate has the request, and loses none.
    #[inline]
    pub(crate) fn given_to_pool(self) {
        self.0.0.pooled.store(true, Ordering::Relaxed);
    }

    /// Whether a pool of this crate has or had the request.
    #[inline]
    pub(crate) fn is_pooled(self) -> bool {
        self.0.0.pooled.load(Ordering::Relaxed)
    }

    /// The pool had this connection for the request, which turned out to be dead. Nothing of the request was sent, and the
    /// attempt goes on with another connection.
    pub(crate) fn skipped(self, connection: &Connection) {
        self.0.0.stale.fetch_add(1, Ordering::Relaxed);
        self.0.0.registry.emit(&Event::ConnectionStale { connection, attempt: self.0 });
    }

    /// Our pool has the request, and no connection of it has. `false`: one gets it now.
    pub(crate) fn waits_in_pool(self) {
        let attempt = self.0;
        attempt.0.write.set_in_pool_queue(true);
        attempt.0.registry.emit(&Event::ConnectionWaiting { origin: attempt.origin(), attempt });
    }

    /// The wait has ended. `granted`: the request has a connection.
    pub(crate) fn waited_in_pool(self, granted: bool) {
        let attempt = self.0;
        attempt.0.write.set_in_pool_queue(!granted);
        attempt.0.registry.emit(&Event::ConnectionWaited { origin: attempt.origin(), attempt, granted });
    }

    /// Our pool has taken the request back from a connection, which will not take it any more. If it has not done so before,
    /// the request is never sent.
    pub(crate) fn taken_back(self) {
        let Marks { accepted, send_start, .. } = &self.0.0.marks;
        if !accepted.is_set() && !send_start.is_set() {
            self.0.0.write.set_taken_back();
        }
    }

    /// The connection's own task accepts the request.
    pub(crate) fn accepted_by(self, connection: &Connection, at: Instant) {
        accept(self.0, connection, at);
    }

    /// The client names the serving connection.
    pub(crate) fn confirm_connection(self, connection: &Connection, at: Instant) {
        confirm_connection(self.0, connection, at);
    }

    /// The head of the response has arrived. `keep_alive`: how long the server keeps the idle connection. `connection` is the
    /// one that the client names.
    pub(crate) fn head(
        self,
        status: StatusCode,
        version: Version,
        headers: &HeaderMap,
        keep_alive: Option<Duration>,
        connection: Option<&Connection>,
    ) {
        let inner = &*self.0.0;
        let at = Instant::now();
        inner.status.store(status.as_u16(), Ordering::Release);
        let _ = inner.version.set(version);
        if let Some(connection) = connection {
            confirm_connection(self.0, connection, at);
        }
        if let Some(timeout) = keep_alive {
            self.keep_alive(timeout);
        }
        witness_sending(self.0, at);
        if !inner.marks.first_byte.is_set() && inner.marks.first_byte.set_once(inner.start, at) {
            inner.first_byte_bound.store(true, Ordering::Release);
        }
        inner.marks.head.set(inner.start, at);
        emit_phases(self.0, Phase::Body);
        inner.grpc.read(headers);
    }

    /// The server says how long it keeps the idle connection.
    fn keep_alive(self, timeout: Duration) {
        if let Some(connection) = self.0.connection().filter(|connection| !connection.is_http2()) {
            connection.io().set_keep_alive(timeout);
        }
    }

    /// Whether the request has `Connection: close`.
    pub(crate) fn asks_close(self) -> bool {
        self.0.0.asks_close
    }

    /// The heads of an HTTP/1 exchange say why the connection will close.
    pub(crate) fn hint_close(self, hint: CloseHint) {
        if let Some(connection) = self.0.connection().filter(|connection| !connection.is_http2()) {
            connection.hint(hint);
        }
    }

    /// This many bytes of the body were received.
    #[inline]
    pub(crate) fn count(self, bytes: u64) {
        self.0.0.response_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// The trailers have arrived.
    pub(crate) fn trailers(self, trailers: &HeaderMap) {
        self.0.0.grpc.read(trailers);
    }

    /// The retry layer drops the rest of the response.
    pub(crate) fn released(self) {
        self.0.0.released.store(true, Ordering::Release);
    }

    /// The attempt has waited for a connection of its pool, in vain, since then.
    pub(crate) fn acquire_timed_out(self, since: Instant) {
        self.0.0.registry.acquire_timed_out(self.0.origin(), since);
    }

    /// The phase in which a failure or a cancellation hits now; that of the setup while one runs for the attempt.
    pub(crate) fn failing_phase(self) -> Phase {
        failing_phase(self.0)
    }

    /// Whether a connection has the request, or the attempt is over.
    #[inline]
    pub(crate) fn is_taken(self) -> bool {
        super::lost::is_taken(self.0)
    }

    /// Since when the client seems to have lost the request; `None` if it has not.
    pub(crate) fn lost_since(self) -> Option<Instant> {
        super::lost::lost_since(self.0)
    }

    /// Gives a lost request up: it will not be written. `false` if a connection has it after all.
    pub(crate) fn give_up(self) -> bool {
        super::lost::give_up(self.0)
    }

    /// Whether a client that follows redirects has the request and has not begun to send it.
    pub(crate) fn is_untouched(self) -> bool {
        self.0.0.write.is_untouched()
    }

    /// Ends the attempt. Later calls do nothing.
    pub(crate) fn finish(self, outcome: &Outcome) {
        super::end::finish(self.0, outcome);
    }

    /// How long the client has had the request of an attempt that has failed.
    pub(crate) fn time_at_client(self) -> Duration {
        let end = self.0.end_time().unwrap_or_else(Instant::now);
        end.saturating_duration_since(accepted_since(self.0))
    }

    /// Since when the peer has the whole request and has not answered.
    pub(crate) fn awaited_since(self) -> Option<Instant> {
        let inner = &*self.0.0;
        let Marks { accepted, body_sent, blocked, .. } = &inner.marks;
        let at = |mark: &Mark| mark.get(inner.start);
        let complete = at(accepted)?.max(at(body_sent)?);
        if blocked.is_set() || waits_for_stream(self.0) {
            return None;
        }
        let sent = inner.sent().or_else(|| first_stream_since(self.0));
        Some(sent.map_or(complete, |sent| sent.max(complete)))
    }

    /// Since when the peer accepts nothing of an incomplete request: by the IO on HTTP/1, otherwise by the body.
    pub(crate) fn upload_stuck_since(self) -> Option<Instant> {
        let inner = &*self.0.0;
        let marks = &inner.marks;
        let at = |mark: &Mark| mark.get(inner.start);
        match at(&marks.blocked) {
            None if marks.body_sent.is_set() || waits_for_stream(self.0) => None,
            None if inner.stream.is_open() => Some(at(&marks.buffered)?.max(at(&marks.send_start)?)),
            None if !marks.send_start.is_set() => at(&marks.buffered),
            blocked => blocked,
        }
    }

    /// A timeout is about to end the attempt: records whether its connection is silent. `upload_stuck`: the timeout is for
    /// an upload that the peer does not accept.
    pub(crate) fn record_timeout(self, upload_stuck: bool) {
        super::silence::record_timeout(self.0, upload_stuck);
    }

    /// The HTTP/1 connection was dead: its pool's connections to the same peer that were idle at the same time are not
    /// used any more.
    pub(crate) fn evict_idle_peers(self) {
        let dead = self.0.connection().filter(|dead| dead.is_tracked() && !dead.is_http2());
        if let Some(dead) = dead {
            self.0.0.registry.evict_idle_peers(&dead, accepted_since(self.0));
        }
    }
}
