//! The connector behind one pointer: the pool clones it for each connect.

use std::sync::Arc;
use std::task::{Context, Poll};

use http::Uri;
use hyper_rustls::HttpsConnector;
use tower_service::Service;

use super::RequestBody;
use crate::connect::{TcpConnector, Track};
use crate::observe::ObserveRequestBody;
use crate::pool::Pool;
use crate::retry::LeasedBody;

type Connector = Track<HttpsConnector<TcpConnector>>;

/// The pool of an [`OutboundClient`](super::OutboundClient).
pub(super) type ClientPool = Pool<SharedConnector, ObserveRequestBody<LeasedBody<RequestBody>>>;

/// The connector, which is always ready.
#[derive(Clone)]
pub(super) struct SharedConnector(Arc<Connector>);

impl SharedConnector {
    pub(super) fn new(connector: Connector) -> Self {
        Self(Arc::new(connector))
    }
}

impl Service<Uri> for SharedConnector {
    type Response = <Connector as Service<Uri>>::Response;
    type Error = <Connector as Service<Uri>>::Error;
    type Future = <Connector as Service<Uri>>::Future;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Connector::clone(&self.0).call(uri)
    }
}
