//! What is recorded of an RPC.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use opentelemetry::StringValue;

use super::bound::{Bind, BoundHistogram};
use super::cache::Cache;
use super::origin::{OriginMetrics, sorted, text};
use crate::labels::Labels;
use crate::names::{OTHER, attribute as a};
use crate::options::Options;
use crate::rpc::{RpcEnd, RpcMethod, SYSTEM};

/// Those of one method.
pub(super) type RpcHandles = Cache<RpcEnd, Option<BoundHistogram<f64>>>;

/// Series that name their method, and those that name their host at least. What is left to come then are the ends, of
/// which there are less than 700: together below the SDK's 2,000, whatever hosts, methods and statuses there are.
const WITH_METHOD: usize = 1000;
const WITH_HOST: usize = 1200;

/// The series that there are. Methods times hosts times statuses are too many: names are given up, never counts.
#[derive(Debug, Default)]
pub(super) struct RpcSeries(Mutex<HashSet<(StringValue, i64, usize, RpcEnd)>>);

impl RpcSeries {
    fn admits(&self, labels: &Labels, place: usize, end: RpcEnd, limit: usize) -> bool {
        let key = (labels.address.clone(), labels.port, place, end);
        let mut series = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        series.contains(&key) || (series.len() < limit && series.insert(key))
    }
}

impl OriginMetrics {
    /// The duration, which is the span's.
    pub(super) fn rpc_duration(&self, method: &RpcMethod, end: RpcEnd, options: &Options, took: Duration) {
        let places = options.rpc_methods.places();
        let handles = self.rpcs.get_or_init(|| (0..places).map(|_| RpcHandles::default()).collect());
        let Some(handles) = handles.get(method.place()) else { return };
        if let Some(handle) = &*handles.get(end, || self.bind_rpc(method, end)) {
            handle.record(took.as_secs_f64());
        }
    }

    fn bind_rpc(&self, method: &RpcMethod, end: RpcEnd) -> Option<BoundHistogram<f64>> {
        let admits = |place, limit| self.instruments.rpc_series.admits(&self.labels, place, end, limit);
        let other = || StringValue::from(OTHER);
        let named = (self.labels.address.clone(), self.labels.port);
        let (method, (address, port)) = if admits(method.place(), WITH_METHOD) {
            (method.label(), named)
        } else if admits(0, WITH_HOST) {
            (other(), named)
        } else {
            (other(), (other(), 0))
        };
        self.instruments.rpc_call_duration.bound(&sorted([
            (a::ERROR_TYPE, end.error_type().map(Into::into)),
            (a::RPC_METHOD, Some(method.into())),
            (a::RPC_RESPONSE_STATUS_CODE, text(end.code())),
            (a::RPC_SYSTEM_NAME, text(SYSTEM)),
            (a::SERVER_ADDRESS, Some(address.into())),
            (a::SERVER_PORT, Some(port.into())),
        ]))
    }
}
