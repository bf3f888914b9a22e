//! hyper-util's client and connector behind one pointer each: hyper-util and the layers clone them for each request.

use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::{Client, Error, ResponseFuture};
use tower_service::Service;

use super::RequestBody;
use crate::connect::{TcpConnector, Track};
use crate::observe::ObserveRequestBody;
use crate::retry::LeasedBody;

type Connector = Track<HttpsConnector<TcpConnector>>;
type Body = ObserveRequestBody<LeasedBody<RequestBody>>;

/// hyper-util's client.
#[derive(Clone, Debug)]
pub(super) struct SharedClient(Arc<Client<SharedConnector, Body>>);

impl SharedClient {
    pub(super) fn new(client: Client<SharedConnector, Body>) -> Self {
        Self(Arc::new(client))
    }
}

impl Service<Request<Body>> for SharedClient {
    type Response = Response<Incoming>;
    type Error = Error;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> ResponseFuture {
        self.0.request(request)
    }
}

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
