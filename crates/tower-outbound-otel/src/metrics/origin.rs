//! What is recorded for one origin.

use std::sync::{Arc, OnceLock};

use opentelemetry::{KeyValue, Value};
use tower_outbound::UrlTemplate;
use tower_outbound::connect::Setup;
use tower_outbound::event::ConnectResult;
use tower_outbound::failure::DnsFailure;
use tower_outbound::retry::{Release, RetryLimit, RetryReason};
use tower_outbound::{Failure, Kind, Phase};

use super::attempt::{AttemptHandles, AttemptKey};
use super::bound::{Bind, BoundCounter, BoundHistogram, BoundUpDownCounter};
use super::cache::Cache;
use super::connection::{CloseKey, ConnectionHandles, ConnectionKey};
use super::instruments::Instruments;
use super::rpc::RpcHandles;
use crate::labels::Labels;
use crate::methods::MethodId;
use crate::names::{attribute as a, outbound as o};
use crate::options::{MetricLabel, Options};

/// The handles of one origin: it lives in the origin's record.
#[derive(Debug)]
pub(super) struct OriginMetrics {
    pub(super) instruments: Arc<Instruments>,
    pub(super) labels: Labels,
    with: With,
    pub(super) attempts: Cache<AttemptKey, AttemptHandles>,
    pub(super) active: Cache<(MethodId, Option<UrlTemplate>), Option<BoundUpDownCounter<i64>>>,
    /// By the method's place: made for origins that are asked by gRPC.
    pub(super) rpcs: OnceLock<Box<[RpcHandles]>>,
    phases: Cache<PhaseKey, Option<BoundHistogram<f64>>>,
    pub(super) connections: Cache<ConnectionKey, ConnectionHandles>,
    pub(super) closed: Cache<CloseKey, Option<BoundCounter<u64>>>,
    connects: Cache<Option<Kind>, ConnectHandles>,
    lookups: Cache<Option<&'static str>, Option<BoundHistogram<f64>>>,
    opened: Cache<Option<&'static str>, Option<BoundCounter<u64>>>,
    wasted: Cache<(), Option<BoundCounter<u64>>>,
    slots: Cache<SlotGauge, Option<BoundUpDownCounter<i64>>>,
    pub(super) io: Cache<&'static str, Option<BoundCounter<u64>>>,
    pub(super) uses: Cache<(), Option<BoundHistogram<u64>>>,
    pub(super) retries: Cache<(RetryReason, Option<RetryLimit>), Option<BoundCounter<u64>>>,
    pub(super) releases: Cache<Release, Option<BoundCounter<u64>>>,
    pub(super) calls: Cache<&'static str, Option<BoundHistogram<u64>>>,
    pub(super) delays: Cache<(), Option<BoundHistogram<f64>>>,
}

/// Which optional attributes metrics have.
#[derive(Clone, Copy, Debug)]
pub(super) struct With {
    pub(super) url_template: bool,
    pub(super) url_scheme: bool,
    pub(super) peer_address: bool,
    outbound_port: bool,
}

type PhaseKey = (Phase, Option<Kind>, Option<bool>);

/// What is counted of the slots of a limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum SlotGauge {
    Limit,
    Usage,
    Waiting,
}

#[derive(Debug)]
struct ConnectHandles {
    duration: Option<BoundHistogram<f64>>,
    failed: Option<BoundCounter<u64>>,
}

/// One attribute, or none.
pub(super) type Pair = (&'static str, Option<Value>);

pub(super) fn text(value: &'static str) -> Option<Value> {
    Some(value.into())
}

pub(super) fn kind(kind: Option<Kind>) -> Option<Value> {
    kind.map(|kind| kind.as_str().into())
}

impl OriginMetrics {
    pub(super) fn new(instruments: Arc<Instruments>, labels: Labels, options: &Options) -> Self {
        let has = |label| options.labels.contains(&label);
        let with = With {
            url_template: has(MetricLabel::UrlTemplate),
            url_scheme: has(MetricLabel::UrlScheme),
            peer_address: has(MetricLabel::PeerAddress),
            outbound_port: has(MetricLabel::OutboundPort),
        };
        Self {
            instruments,
            labels,
            with,
            attempts: Cache::default(),
            active: Cache::default(),
            rpcs: OnceLock::new(),
            phases: Cache::default(),
            connections: Cache::default(),
            closed: Cache::default(),
            connects: Cache::default(),
            lookups: Cache::default(),
            opened: Cache::default(),
            wasted: Cache::default(),
            slots: Cache::default(),
            io: Cache::default(),
            uses: Cache::default(),
            retries: Cache::default(),
            releases: Cache::default(),
            calls: Cache::default(),
            delays: Cache::default(),
        }
    }

    pub(super) fn with(&self) -> With {
        self.with
    }

    /// The attributes of one of the convention's metrics.
    pub(super) fn http<const N: usize>(&self, further: [Pair; N]) -> Vec<KeyValue> {
        let scheme = self.with.url_scheme.then(|| self.labels.scheme.into());
        sorted(further.into_iter().chain([
            (a::SERVER_ADDRESS, Some(self.labels.address.clone().into())),
            (a::SERVER_PORT, Some(self.labels.port.into())),
            (a::URL_SCHEME, scheme),
        ]))
    }

    /// The attributes of one of ours.
    pub(super) fn outbound<const N: usize>(&self, further: [Pair; N]) -> Vec<KeyValue> {
        let port = self.with.outbound_port.then(|| self.labels.port.into());
        sorted(further.into_iter().chain([
            (a::SERVER_ADDRESS, Some(self.labels.address.clone().into())),
            (a::SERVER_PORT, port),
            (a::URL_SCHEME, text(self.labels.scheme)),
        ]))
    }

    pub(super) fn phase(&self, phase: Phase, failure: Option<Kind>, resumed: Option<bool>, seconds: f64) {
        let handle = self.phases.get((phase, failure, resumed), || {
            self.instruments.phase_duration.bound(&self.outbound([
                (a::ERROR_TYPE, kind(failure)),
                (o::PHASE, text(phase.as_str())),
                (a::TLS_RESUMED, resumed.map(Into::into)),
            ]))
        });
        if let Some(handle) = &*handle {
            handle.record(seconds);
        }
    }

    /// A setup is over: its phases, its lookup, itself.
    pub(super) fn connect_ended(&self, setup: &Setup, result: &ConnectResult<'_>) {
        for ended in setup.phases() {
            let failure = ended.failure.as_ref().map(Failure::kind);
            let seconds = ended.end.saturating_duration_since(ended.start).as_secs_f64();
            let resumed = setup.tls().and_then(|tls| tls.resumed).filter(|_| ended.phase == Phase::Tls);
            self.phase(ended.phase, failure, resumed, seconds);
            if ended.phase == Phase::Dns {
                self.lookup(ended.failure.as_ref().map(lookup_error), seconds);
            }
        }
        let failure = match result {
            ConnectResult::Failed(failure) => Some(failure.kind()),
            ConnectResult::Connected(connection) => {
                self.opened(super::connection::version(connection));
                None
            }
            // A fresh socket too, although nothing more will be known of it.
            ConnectResult::Untracked => {
                self.opened(None);
                None
            }
            // Given up by the client: neither a success nor a failure.
            _ => return,
        };
        let handles = self.connects.get(failure, || self.connect_handles(failure));
        if let (Some(duration), Some(took)) = (&handles.duration, setup.duration()) {
            duration.record(took.as_secs_f64());
        }
        if let Some(failed) = &handles.failed {
            failed.add(1);
        }
    }

    fn connect_handles(&self, failure: Option<Kind>) -> ConnectHandles {
        let attributes = self.outbound([(a::ERROR_TYPE, kind(failure))]);
        ConnectHandles {
            duration: self.instruments.connect_duration.bound(&attributes),
            failed: failure.and_then(|_| self.instruments.connect_failed.bound(&attributes)),
        }
    }

    fn lookup(&self, error: Option<&'static str>, seconds: f64) {
        let handle = self.lookups.get(error, || {
            self.instruments.dns_lookup_duration.bound(&sorted([
                (a::DNS_QUESTION_NAME, Some(self.labels.address.clone().into())),
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
            self.instruments.connection_opened.bound(&self.outbound([version]))
        });
        if let Some(handle) = &*handle {
            handle.add(1);
        }
    }

    pub(super) fn slots(&self, gauge: SlotGauge, change: i64) {
        let handle = self.slots.get(gauge, || {
            let instrument = match gauge {
                SlotGauge::Limit => &self.instruments.slot_limit,
                SlotGauge::Usage => &self.instruments.slot_usage,
                SlotGauge::Waiting => &self.instruments.slot_waiting,
            };
            instrument.bound(&self.outbound([]))
        });
        if let Some(handle) = &*handle {
            handle.add(change);
        }
    }

    pub(super) fn wasted(&self) {
        let handle = self.wasted.get((), || self.instruments.connect_wasted.bound(&self.outbound([])));
        if let Some(handle) = &*handle {
            handle.add(1);
        }
    }
}

/// Why the name could not be resolved, where the resolver tells, or else the kind.
fn lookup_error(failure: &Failure) -> &'static str {
    failure.dns().map_or(failure.kind().as_str(), DnsFailure::as_str)
}

/// Present pairs in the order that the SDK stores: by key.
pub(super) fn sorted(pairs: impl IntoIterator<Item = Pair>) -> Vec<KeyValue> {
    let present = pairs.into_iter().filter_map(|(key, value)| Some(KeyValue::new(key, value?)));
    let mut attributes: Vec<_> = present.collect();
    attributes.sort_unstable_by(|a, b| a.key.cmp(&b.key));
    attributes
}
