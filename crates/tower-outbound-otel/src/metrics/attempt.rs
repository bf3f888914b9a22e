//! What is recorded of an attempt.

use std::sync::OnceLock;
use std::time::Duration;

use tokio::time::Instant;
use tower_outbound::{Attempt, Failure, Kind, Outcome, Phase, Reuse, UrlTemplate};

use super::bound::{Bind, BoundCounter, BoundHistogram};
use super::origin::{OriginMetrics, kind, text};
use crate::attempt_span::{failure, is_error, version};
use crate::methods::MethodId;
use crate::names::{attribute as a, outbound as o};
use crate::options::Options;
use crate::phases;
use crate::rpc::RpcEnd;

/// Everything that varies between the attempts of one origin.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct AttemptKey {
    method: MethodId,
    status: Option<u16>,
    version: Option<&'static str>,
    failure: Option<Kind>,
    reuse: Reuse,
    outcome: &'static str,
    template: Option<UrlTemplate>,
}

#[derive(Debug)]
pub(super) struct AttemptHandles {
    /// Bound when first recorded, as are the others: what is bound is exported, with count 0.
    duration: OnceLock<Option<BoundHistogram<f64>>>,
    requests: OnceLock<Option<BoundCounter<u64>>>,
    first_byte: OnceLock<Option<BoundHistogram<f64>>>,
    body: OnceLock<Option<BoundHistogram<f64>>>,
    sizes: OnceLock<[Option<BoundHistogram<u64>>; 2]>,
}

/// Whether the answer was an error: HTTP's, or gRPC's inside HTTP's `200`.
pub(crate) fn answered_badly(attempt: &Attempt, outcome: &Outcome) -> bool {
    let rpc = || RpcEnd::of(attempt, outcome).is_some_and(RpcEnd::is_error);
    // A failure below is no answer.
    attempt.status().is_some_and(is_error) || (failure(outcome).is_none() && rpc())
}

/// The value of `outbound.outcome`.
///
/// As on the span: an error status is the attempt's error, whatever became of its body.
pub(crate) fn outcome_name(outcome: &Outcome, answered_badly: bool) -> &'static str {
    match outcome {
        Outcome::Failed(_) => "error",
        _ if answered_badly => "error",
        Outcome::Cancelled { .. } => "cancelled",
        _ => "ok",
    }
}

impl AttemptKey {
    fn new(attempt: &Attempt, method: MethodId, outcome: &Outcome, with_template: bool) -> Self {
        let failure = failure(outcome).map(Failure::kind);
        let status = attempt.status();
        let outcome = outcome_name(outcome, answered_badly(attempt, outcome));
        Self {
            method,
            status: status.map(|status| status.as_u16()),
            version: attempt.version().and_then(version),
            failure,
            reuse: attempt.reuse(),
            outcome,
            template: attempt.template().filter(|_| with_template).cloned(),
        }
    }

    /// The value of `error.type`.
    fn error(&self) -> Option<opentelemetry::Value> {
        match self.failure {
            Some(_) => kind(self.failure),
            None => self.status.filter(|status| *status >= 400).map(|status| status.to_string().into()),
        }
    }
}

impl OriginMetrics {
    pub(super) fn active(&self, attempt: &Attempt, method: MethodId, options: &Options, change: i64) {
        let template = attempt.template().filter(|_| self.with().url_template).cloned();
        let handle = self.active.get(&(method, template.clone()), || {
            self.instruments.active_requests.bound(&self.http([
                (a::HTTP_REQUEST_METHOD, Some(options.methods.label(method).into())),
                (a::URL_TEMPLATE, template.as_ref().map(crate::labels::template)),
            ]))
        });
        if let Some(handle) = &*handle {
            handle.add(change);
        }
    }

    /// The duration, which is the span's.
    pub(super) fn attempt_duration(
        &self,
        attempt: &Attempt,
        method: MethodId,
        options: &Options,
        outcome: &Outcome,
        took: Duration,
    ) {
        let key = AttemptKey::new(attempt, method, outcome, self.with().url_template);
        let handles = self.handles(&key);
        let duration = handles
            .duration
            .get_or_init(|| self.instruments.request_duration.bound(&self.request_attributes(&key, options)));
        if let Some(duration) = duration {
            duration.record(took.as_secs_f64());
        }
    }

    /// Everything else that is known when the attempt is over.
    pub(super) fn attempt_ended(
        &self,
        attempt: &Attempt,
        method: MethodId,
        options: &Options,
        outcome: &Outcome,
        end: Instant,
    ) {
        let key = AttemptKey::new(attempt, method, outcome, self.with().url_template);
        let handles = self.handles(&key);
        if let Some(requests) = handles.requests.get_or_init(|| self.bind_requests(&key)) {
            requests.add(1);
        }
        if let Some(first_byte) = attempt.timings().cumulative().first_byte {
            if let Some(handle) = handles.first_byte.get_or_init(|| self.bind_first_byte(&key)) {
                handle.record(first_byte.as_secs_f64());
            }
            if let Some(handle) = handles.body.get_or_init(|| self.bind_body(&key)) {
                let total = end.saturating_duration_since(attempt.start_time());
                handle.record(total.saturating_sub(first_byte).as_secs_f64());
            }
        }
        if self.instruments.request_body_size.is_some() {
            let [request, response] = handles.sizes.get_or_init(|| {
                let attributes = self.request_attributes(&key, options);
                let Self { instruments, .. } = self;
                [
                    instruments.request_body_size.bound(&attributes),
                    instruments.response_body_size.bound(&attributes),
                ]
            });
            if let Some(request) = request {
                request.record(attempt.request_body_bytes());
            }
            if let Some(response) = response.as_ref().filter(|_| key.status.is_some()) {
                response.record(attempt.response_body_bytes());
            }
        }
        if self.instruments.phase_duration.is_some() {
            self.attempt_phases(attempt, outcome, end);
        }
    }

    fn attempt_phases(&self, attempt: &Attempt, outcome: &Outcome, end: Instant) {
        let failure = failure(outcome).map(Failure::kind);
        for took in phases::of(attempt, outcome, end) {
            // The body has a metric of its own; a phase that the caller cut short says nothing of the peer.
            if took.phase == Phase::Body || (took.cut && failure.is_none()) {
                continue;
            }
            let seconds = took.end.saturating_duration_since(took.start).as_secs_f64();
            self.phase(took.phase, failure.filter(|_| took.cut), None, seconds);
        }
    }

    fn handles(&self, key: &AttemptKey) -> std::sync::Arc<AttemptHandles> {
        self.attempts.get(key, || AttemptHandles {
            duration: OnceLock::new(),
            requests: OnceLock::new(),
            first_byte: OnceLock::new(),
            body: OnceLock::new(),
            sizes: OnceLock::new(),
        })
    }

    fn request_attributes(&self, key: &AttemptKey, options: &Options) -> Vec<opentelemetry::KeyValue> {
        self.http([
            (a::ERROR_TYPE, key.error()),
            (a::HTTP_REQUEST_METHOD, Some(options.methods.label(key.method).into())),
            (a::HTTP_RESPONSE_STATUS_CODE, key.status.map(|status| i64::from(status).into())),
            (a::NETWORK_PROTOCOL_VERSION, key.version.map(Into::into)),
            (a::URL_TEMPLATE, key.template.as_ref().map(crate::labels::template)),
        ])
    }

    fn bind_requests(&self, key: &AttemptKey) -> Option<BoundCounter<u64>> {
        self.instruments.requests.bound(
            &self
                .outbound([(o::CONNECTION_REUSE, text(key.reuse.as_str())), (o::OUTCOME, text(key.outcome))]),
        )
    }

    fn bind_first_byte(&self, key: &AttemptKey) -> Option<BoundHistogram<f64>> {
        let reuse = (o::CONNECTION_REUSE, text(key.reuse.as_str()));
        self.instruments.ttfb_duration.bound(&self.outbound([reuse]))
    }

    fn bind_body(&self, key: &AttemptKey) -> Option<BoundHistogram<f64>> {
        self.instruments.body_duration.bound(&self.outbound([(a::ERROR_TYPE, kind(key.failure))]))
    }
}
