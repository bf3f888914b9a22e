//! Attempts.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use opentelemetry::{KeyValue, Value};
use tower_outbound::{Attempt, Failure, Kind, Reuse, UrlTemplate};

use super::attributes::{Attributes, kind, text};
use super::bound::{Bind, BoundCounter, BoundHistogram, BoundUpDownCounter};
use super::cache::{Cache, Handle};
use crate::ended::Ended;
use crate::error_type::ErrorType;
use crate::labels::template;
use crate::methods::MethodId;
use crate::options::MetricLabel;
use crate::semconv::{attribute as a, is_registered, outbound as o, protocol_version};

#[derive(Debug)]
pub(super) struct AttemptMetrics {
    attributes: Arc<Attributes>,
    active: Cache<(MethodId, Option<UrlTemplate>), Option<BoundUpDownCounter<i64>>>,
    ended: Cache<AttemptKey, AttemptHandles>,
    server: Cache<Reuse, Option<BoundHistogram<f64>>>,
}

/// Everything that varies between the attempts of one origin.
#[derive(Clone, Debug, PartialEq)]
struct AttemptKey {
    method: MethodId,
    status: Option<u16>,
    version: Option<&'static str>,
    error: Option<ErrorType>,
    failure: Option<Kind>,
    reuse: Reuse,
    outcome: &'static str,
    template: Option<UrlTemplate>,
}

/// Bound at the first record: the SDK exports bound instruments, with count 0.
#[derive(Debug, Default)]
struct AttemptHandles {
    duration: OnceLock<Option<BoundHistogram<f64>>>,
    requests: OnceLock<Option<BoundCounter<u64>>>,
    first_byte: OnceLock<Option<BoundHistogram<f64>>>,
    body: OnceLock<Option<BoundHistogram<f64>>>,
    sizes: OnceLock<[Option<BoundHistogram<u64>>; 2]>,
}

impl AttemptMetrics {
    pub(super) fn new(attributes: Arc<Attributes>) -> Self {
        Self { attributes, active: Cache::default(), ended: Cache::default(), server: Cache::default() }
    }

    pub(super) fn active(&self, attempt: &Attempt, method: MethodId, change: i64) {
        let url_template = self.template(attempt);
        let handle = self.active.get(&(method, url_template.clone()), || {
            self.attributes.instruments.active_requests.bound(&self.attributes.http([
                (a::HTTP_REQUEST_METHOD, Some(self.attributes.options.methods.label(method).into())),
                (a::URL_TEMPLATE, url_template.as_ref().map(template)),
            ]))
        });
        if let Some(handle) = &*handle {
            handle.add(change);
        }
    }

    /// Records what the server says of itself.
    pub(super) fn server(&self, attempt: &Attempt, took: Duration) {
        let reuse = attempt.reuse();
        let handle = self.server.get(&reuse, || {
            let reuse = (o::CONNECTION_REUSE, text(reuse.as_str()));
            self.attributes.instruments.server_duration.bound(&self.attributes.outbound([reuse]))
        });
        if let Some(handle) = &*handle {
            handle.record(took.as_secs_f64());
        }
    }

    /// Records the duration, which equals the span's.
    pub(super) fn duration(&self, ended: &Ended<'_>, method: MethodId) {
        let key = self.key(ended, method);
        self.record_duration(&self.handles(&key), &key, ended);
    }

    /// Records everything, the duration only if `span_ended`: it was recorded before if the span ended at the head.
    pub(super) fn ended(&self, ended: &Ended<'_>, method: MethodId, span_ended: bool) {
        let (attempt, key) = (ended.attempt, self.key(ended, method));
        let handles = self.handles(&key);
        if span_ended {
            self.record_duration(&handles, &key, ended);
        }
        if let Some(requests) = handles.requests.get_or_init(|| self.bind_requests(&key)) {
            requests.add(1);
        }
        if let Some(first_byte) = ended.first_byte() {
            if let Some(handle) = handles.first_byte.get_or_init(|| self.bind_first_byte(&key)) {
                handle.record(first_byte.as_secs_f64());
            }
            if let Some(handle) = handles.body.get_or_init(|| self.bind_body(&key)) {
                handle.record(ended.took.saturating_sub(first_byte).as_secs_f64());
            }
        }
        if self.attributes.instruments.request_body_size.is_some() {
            let [request, response] = handles.sizes.get_or_init(|| self.bind_sizes(&key));
            if let Some(request) = request {
                request.record(attempt.request_body_bytes());
            }
            if let Some(response) = response.as_ref().filter(|_| ended.status.is_some()) {
                response.record(attempt.response_body_bytes());
            }
        }
    }

    fn template(&self, attempt: &Attempt) -> Option<UrlTemplate> {
        attempt.template().filter(|_| self.attributes.options.has(MetricLabel::UrlTemplate)).cloned()
    }

    fn key(&self, ended: &Ended<'_>, method: MethodId) -> AttemptKey {
        AttemptKey {
            method,
            status: ended.status.filter(|status| is_registered(*status)).map(|status| status.as_u16()),
            version: ended.attempt.version().and_then(protocol_version),
            error: ended.http_error_type().map(ErrorType::bounded),
            failure: ended.failure.map(Failure::kind),
            reuse: ended.attempt.reuse(),
            outcome: ended.outcome_name(),
            template: self.template(ended.attempt),
        }
    }

    fn handles(&self, key: &AttemptKey) -> Handle<'_, AttemptHandles> {
        self.ended.get(key, AttemptHandles::default)
    }

    fn record_duration(&self, handles: &AttemptHandles, key: &AttemptKey, ended: &Ended<'_>) {
        let duration = handles
            .duration
            .get_or_init(|| self.attributes.instruments.request_duration.bound(&self.request(key)));
        if let Some(duration) = duration {
            duration.record(ended.took.as_secs_f64());
        }
    }

    /// The attributes of the convention's request metrics.
    fn request(&self, key: &AttemptKey) -> Vec<KeyValue> {
        self.attributes.http([
            (a::ERROR_TYPE, key.error.map(Value::from)),
            (a::HTTP_REQUEST_METHOD, Some(self.attributes.options.methods.label(key.method).into())),
            (a::HTTP_RESPONSE_STATUS_CODE, key.status.map(|status| i64::from(status).into())),
            (a::NETWORK_PROTOCOL_VERSION, key.version.map(Into::into)),
            (a::URL_TEMPLATE, key.template.as_ref().map(template)),
        ])
    }

    fn bind_sizes(&self, key: &AttemptKey) -> [Option<BoundHistogram<u64>>; 2] {
        let (attributes, instruments) = (self.request(key), &self.attributes.instruments);
        [instruments.request_body_size.bound(&attributes), instruments.response_body_size.bound(&attributes)]
    }

    fn bind_requests(&self, key: &AttemptKey) -> Option<BoundCounter<u64>> {
        let attributes = self
            .attributes
            .outbound([(o::CONNECTION_REUSE, text(key.reuse.as_str())), (o::OUTCOME, text(key.outcome))]);
        self.attributes.instruments.requests.bound(&attributes)
    }

    fn bind_first_byte(&self, key: &AttemptKey) -> Option<BoundHistogram<f64>> {
        let reuse = (o::CONNECTION_REUSE, text(key.reuse.as_str()));
        self.attributes.instruments.ttfb_duration.bound(&self.attributes.outbound([reuse]))
    }

    fn bind_body(&self, key: &AttemptKey) -> Option<BoundHistogram<f64>> {
        let error = (a::ERROR_TYPE, kind(key.failure));
        self.attributes.instruments.body_duration.bound(&self.attributes.outbound([error]))
    }
}
