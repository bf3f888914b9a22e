//! The options of a layer, and the clones of its client.

use std::future::{Ready, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use tower_layer::Layer as _;
use tower_service::Service;

use super::*;
use crate::BoxError;
use crate::event::ObserversBuilder;
use crate::record::Registry;
use crate::settings::StackSettings;

fn registry() -> Registry {
    Registry::new(ObserversBuilder::default().build(), StackSettings::default())
}

#[test]
fn retry_layer_option_changes_neither_settings_nor_other_layer() {
    let registry = registry();
    let shared = RetryLayer::new(registry.clone());
    let first = shared.clone().grpc();
    let second = first.clone().idempotent();
    assert!(Arc::ptr_eq(&shared.settings(), &registry.settings().retry));
    let options = |layer: RetryLayer| (layer.settings().grpc, layer.settings().idempotent);
    assert_eq!([shared, first, second].map(options), [(false, false), (true, false), (true, true)]);
}

#[test]
fn retry_layer_option_leaves_earlier_service_unchanged() {
    let layer = RetryLayer::new(registry()).max_retries(5);
    let service = layer.layer(());
    let layer = layer.max_retries(6);
    assert_eq!(service.shared.settings().max_retries, 5);
    assert_eq!(layer.settings().max_retries, 6);
}

#[test]
fn retry_layer_with_seed_policy_lease_follows_settings() {
    let registry = registry();
    let layer = RetryLayer::new(registry.clone()).seed(7);
    let layer = layer.policy(|_: &RetryContext<'_>| Verdict::Return).lease(());
    assert!(Arc::ptr_eq(&layer.settings(), &registry.settings().retry));
}

/// A client that counts its clones.
#[derive(Default)]
struct CountedClient(Arc<AtomicU32>);

impl CountedClient {
    fn clones(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Clone for CountedClient {
    fn clone(&self) -> Self {
        self.0.fetch_add(1, Ordering::Relaxed);
        Self(self.0.clone())
    }
}

impl<B> Service<Request<B>> for CountedClient {
    type Response = Response<Empty<Bytes>>;
    type Error = BoxError;
    type Future = Ready<Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        ready(Ok(Response::default()))
    }
}

#[tokio::test]
async fn retry_clones_client_once_per_request_also_when_off() {
    let layer = RetryLayer::new(registry());
    let request = |options| {
        let mut request = Request::new(Empty::<Bytes>::new());
        request.extensions_mut().insert(options);
        request
    };
    let mut service = layer.layer(CountedClient::default());
    service.call(request(RetryOptions::new())).await.unwrap();
    assert_eq!(service.get_ref().clones(), 1);
    service.call(request(RetryOptions::off())).await.unwrap();
    assert_eq!(service.get_ref().clones(), 2);

    let mut service = layer.max_retries(0).layer(CountedClient::default());
    service.call(request(RetryOptions::new())).await.unwrap();
    assert_eq!(service.into_inner().clones(), 1);
}
