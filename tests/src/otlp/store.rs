//! The received telemetry.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message as _;
use tokio::sync::Notify;

use super::{Metric, Span, span, text};

/// Shared by the two servers and the receiver.
#[derive(Debug, Default)]
pub(super) struct Store {
    state: Mutex<State>,
    pub(super) changed: Notify,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) spans: Vec<Span>,
    pub(super) metrics: BTreeMap<MetricKey, Metric>,
    pub(super) payloads: Vec<Bytes>,
    pub(super) trace_requests: usize,
    pub(super) metric_requests: usize,
}

/// Name, scope and encoded resource: two services may send the same metric.
pub(super) type MetricKey = (String, String, Vec<u8>);

impl Store {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn traces(&self, payload: Bytes, request: ExportTraceServiceRequest) {
        let mut state = self.state();
        state.payloads.push(payload);
        state.trace_requests += 1;
        state.spans.extend(span::flatten(request.resource_spans));
        drop(state);
        self.changed.notify_waiters();
    }

    pub(super) fn metrics(&self, payload: Bytes, request: ExportMetricsServiceRequest) {
        let mut state = self.state();
        state.payloads.push(payload);
        state.metric_requests += 1;
        for resource in request.resource_metrics {
            let resource_service = text::service(resource.resource.as_ref());
            let identity = resource.resource.map(|resource| resource.encode_to_vec()).unwrap_or_default();
            for scoped in resource.scope_metrics {
                let scope = scoped.scope.map(|scope| scope.name).unwrap_or_default();
                for metric in scoped.metrics {
                    let key = (metric.name.clone(), scope.clone(), identity.clone());
                    let resource_service = resource_service.clone();
                    state.metrics.insert(key, Metric { resource_service, scope: scope.clone(), metric });
                }
            }
        }
        drop(state);
        self.changed.notify_waiters();
    }
}
