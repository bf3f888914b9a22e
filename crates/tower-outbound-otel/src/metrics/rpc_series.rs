//! A bound on the series of `rpc.client.call.duration`.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use opentelemetry::StringValue;

use crate::labels::Labels;
use crate::rpc::RpcStatus;

/// The series recorded so far, of all origins.
#[derive(Debug, Default)]
pub(super) struct RpcSeries(Mutex<HashSet<(StringValue, i64, usize, RpcStatus)>>);

impl RpcSeries {
    /// Whether a series exists, or can be added below `limit`.
    pub(super) fn admits(&self, labels: &Labels, place: usize, status: RpcStatus, limit: usize) -> bool {
        let key = (labels.address.clone(), labels.port, place, status);
        let mut series = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        series.contains(&key) || (series.len() < limit && series.insert(key))
    }
}
