//! Connects: their duration, failures, DNS lookups, and the connections they opened.

use std::sync::Arc;

use tower_outbound::connect::Setup;
use tower_outbound::event::ConnectResult;
use tower_outbound::failure::DnsFailure;
use tower_outbound::{Failure, Kind, Phase};

use super::attributes::{Attributes, kind, sorted, text};
use super::bound::{Bind, BoundCounter, BoundHistogram};
use super::cache::Cache;
use super::connection::version;
use crate::semconv::attribute as a;

/// The usual failures. These series exist with 0 from the start: a rate sees the first failure.
const USUAL: [Kind; 4] =
    [Kind::NameResolution, Kind::ConnectionRefused, Kind::ConnectTimeout, Kind::SecureConnection];

#[derive(Debug)]
pub(super) struct ConnectMetrics {
    attributes: Arc<Attributes>,
    failed: Cache<Kind, Option<BoundCounter<u64>>>,
    durations: Cache<Option<Kind>, Option<BoundHistogram<f64>>>,
    lookups: Cache<Option<&'static str>, Option<BoundHistogram<f64>>>,
    opened: Cache<Option<&'static str>, Option<BoundCounter<u64>>>,
    wasted: Cache<(), Option<BoundCounter<u64>>>,
    stale: Cache<(), Option<BoundCounter<u64>>>,
}

impl ConnectMetrics {
    pub(super) fn new(attributes: Arc<Attributes>) -> Self {
        let metrics = Self {
            attributes,
            failed: Cache::default(),
            durations: Cache::default(),
            lookups: Cache::default(),
            opened: Cache::default(),
            wasted: Cache::default(),
            stale: Cache::default(),
        };
        for kind in USUAL {
            metrics.failed(kind, 0);
        }
        metrics.add_wasted(0);
        metrics
    }

    pub(super) fn ended(&self, setup: &Setup, result: &ConnectResult<'_>) {
        for ended in setup.phases().into_iter().filter(|ended| ended.phase == Phase::Dns) {
            let seconds = ended.end.saturating_duration_since(ended.start).as_secs_f64();
            self.lookup(ended.failure.as_ref().map(lookup_error), seconds);
        }
        let failure = match result {
            ConnectResult::Failed(failure) => Some(failure.kind()),
            ConnectResult::Connected(connection) => {
                self.opened(version(connection));
                None
            }
            // A fresh socket, although its version is unknown.
            ConnectResult::Untracked => {
                self.opened(None);
                None
            }
            // The client gave the connect up: neither a success nor a failure.
            _ => return,
        };
        let duration = self.durations.get(failure, || {
            let attributes = self.attributes.outbound([(a::ERROR_TYPE, kind(failure))]);
            self.attributes.instruments.connect_duration.bound(&attributes)
        });
        if let (Some(duration), Some(took)) = (&*duration, setup.duration()) {
            duration.record(took.as_secs_f64());
        }
        if let Some(failure) = failure {
            self.failed(failure, 1);
        }
    }

    pub(super) fn wasted(&self) {
        self.add_wasted(1);
    }

    fn add_wasted(&self, connects: u64) {
        let Attributes { instruments, .. } = &*self.attributes;
        let handle = self.wasted.get((), || instruments.connect_wasted.bound(&self.attributes.outbound([])));
        if let Some(handle) = &*handle {
            handle.add(connects);
        }
    }

    fn failed(&self, failure: Kind, connects: u64) {
        let handle = self.failed.get(failure, || {
            let attributes = self.attributes.outbound([(a::ERROR_TYPE, kind(Some(failure)))]);
            self.attributes.instruments.connect_failed.bound(&attributes)
        });
        if let Some(handle) = &*handle {
            handle.add(connects);
        }
    }

    pub(super) fn stale(&self) {
        let Attributes { instruments, .. } = &*self.attributes;
        let handle = self.stale.get((), || instruments.connection_stale.bound(&self.attributes.outbound([])));
        if let Some(handle) = &*handle {
            handle.add(1);
        }
    }

    fn lookup(&self, error: Option<&'static str>, seconds: f64) {
        let handle = self.lookups.get(error, || {
            self.attributes.instruments.dns_lookup_duration.bound(&sorted([
                (a::DNS_QUESTION_NAME, Some(self.attributes.labels.address.clone().into())),
                (a::ERROR_TYPE, error.and_then(text)),
            ]))
        });
        if let Some(handle) = &*handle {
            handle.record(seconds);
        }
    }

    fn opened(&self, version: Option<&'static str>) {
        let handle = self.opened.get(version, || {
            let version = (a::NETWORK_PROTOCOL_VERSION, version.map(Into::into));
            self.attributes.instruments.connection_opened.bound(&self.attributes.outbound([version]))
        });
        if let Some(handle) = &*handle {
            handle.add(1);
        }
    }
}

/// Why the lookup failed, if the resolver reports it; otherwise the kind.
fn lookup_error(failure: &Failure) -> &'static str {
    failure.dns().map_or(failure.kind().as_str(), DnsFailure::as_str)
}
