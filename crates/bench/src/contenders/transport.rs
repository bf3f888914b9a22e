//! Clients by one trait.

use std::fmt::Debug;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::Connect;
use tower_outbound::OutboundClient;
use tower_outbound::client::ResponseBody;

use crate::load::Up;

/// A client that sends what we make.
pub(crate) trait Transport: Clone + Send + Sync + 'static {
    type Body: Body<Data = Bytes, Error: Debug + Send> + Send;

    /// Sends a request that succeeds.
    fn send(&self, request: Request<Up>) -> impl Future<Output = Response<Self::Body>> + Send;
}

impl<C: Connect + Clone + Send + Sync + 'static> Transport for Client<C, Up> {
    type Body = Incoming;

    async fn send(&self, request: Request<Up>) -> Response<Incoming> {
        self.request(request).await.expect("a response")
    }
}

impl Transport for OutboundClient {
    type Body = ResponseBody;

    async fn send(&self, request: Request<Up>) -> Response<ResponseBody> {
        self.request(request).await.expect("a response")
    }
}
