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

#[derive(Debug)]
pub(super) struct ConnectMetrics {
    attributes: Arc<Attributes>,
    connects: Cache<Option<Kind>, ConnectHandles>,
    lookups: Cache<Option<&'static str>, Option<BoundHistogram<f64>>>,
    opened: Cache<Option<&'static str>, Option<BoundCounter<u64>>>,
    wasted: Cache<(), Option<BoundCounter<u64>>>,
}

#[derive(Debug)]
struct ConnectHandles {
    duration: Option<BoundHistogram<f64>>,
    failed: Option<BoundCounter<u64>>,
}

impl ConnectMetrics {
    pub(super) fn new(attributes: Arc<Attributes>) -> Self {
        Self {
            attributes,
            connects: Cache::default(),
            lookups: Cache::default(),
            opened: Cache::default(),
            wasted: Cache::default(),
        }
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
        let handles = self.connects.get(failure, || self.bind(failure));
        if let (Some(duration), Some(took)) = (&handles.duration, setup.duration()) {
            duration.record(took.as_secs_f64());
        }
        if let Some(failed) = &handles.failed {
            failed.add(1);
        }
    }

    pub(super) fn wasted(&self) {
        let Attributes { instruments, .. } = &*self.attributes;
        let handle = self.wasted.get((), || instruments.connect_wasted.bound(&self.attributes.outbound([])));
        if let Some(handle) = &*handle {
            handle.add(1);
        }
    }

    fn bind(&self, failure: Option<Kind>) -> ConnectHandles {
        let Attributes { instruments, .. } = &*self.attributes;
        let attributes = self.attributes.outbound([(a::ERROR_TYPE, kind(failure))]);
        ConnectHandles {
            duration: instruments.connect_duration.bound(&attributes),
            failed: failure.and_then(|_| instruments.connect_failed.bound(&attributes)),
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
