//! `rpc.client.call.duration`.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use opentelemetry::StringValue;

use super::attributes::{Attributes, sorted, text};
use super::bound::{Bind, BoundHistogram};
use super::cache::Cache;
use crate::rpc::{RpcMethod, RpcStatus};
use crate::semconv::{GRPC, OTHER, attribute as a};

/// The handles of one method.
type RpcHandles = Cache<RpcStatus, Option<BoundHistogram<f64>>>;

/// Series with a method, and series with at least a host. Further series have only a status, of which there are fewer
/// than 200: together fewer than the SDK's limit of 2,000. No RPC is left out.
const WITH_METHOD: usize = 1000;
const WITH_HOST: usize = 1200;

#[derive(Debug)]
pub(super) struct RpcMetrics {
    attributes: Arc<Attributes>,
    /// By the method's place; empty for origins without gRPC.
    methods: OnceLock<Box<[RpcHandles]>>,
}

impl RpcMetrics {
    pub(super) fn new(attributes: Arc<Attributes>) -> Self {
        Self { attributes, methods: OnceLock::new() }
    }

    pub(super) fn duration(&self, method: &RpcMethod, status: RpcStatus, took: Duration) {
        let places = self.attributes.options.rpc_methods.places();
        let methods = self.methods.get_or_init(|| (0..places).map(|_| RpcHandles::default()).collect());
        let Some(handles) = methods.get(method.place()) else { return };
        if let Some(handle) = &*handles.get(status, || self.bind(method, status)) {
            handle.record(took.as_secs_f64());
        }
    }

    fn bind(&self, method: &RpcMethod, status: RpcStatus) -> Option<BoundHistogram<f64>> {
        let Attributes { instruments, labels, .. } = &*self.attributes;
        let admits = |place, limit| instruments.rpc_series.admits(labels, place, status, limit);
        let other = || StringValue::from(OTHER);
        let named = (labels.address.clone(), labels.port);
        let (method, (address, port)) = if admits(method.place(), WITH_METHOD) {
            (method.label(), named)
        } else if admits(0, WITH_HOST) {
            (other(), named)
        } else {
            (other(), (other(), 0))
        };
        instruments.rpc_call_duration.bound(&sorted([
            (a::ERROR_TYPE, status.error_type().map(Into::into)),
            (a::RPC_METHOD, Some(method.into())),
            (a::RPC_RESPONSE_STATUS_CODE, text(status.code())),
            (a::RPC_SYSTEM_NAME, text(GRPC)),
            (a::SERVER_ADDRESS, Some(address.into())),
            (a::SERVER_PORT, Some(port.into())),
        ]))
    }
}
