//! One scenario on one kind of client.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response, Uri};
use http_body_util::combinators::{BoxBody, UnsyncBoxBody};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use outbound_tests::certs::Certs;
use outbound_tests::recorder::Recorder;
use tower_outbound::outbound::OutboundBuilder;
use tower_outbound::{Error, Outbound, Timings};

use crate::kinds::Kind;
use crate::peer::{Answered, HOST, Peer};

/// reqwest requires `Sync`.
pub(crate) type Body = BoxBody<Bytes, std::io::Error>;
pub(crate) type Answer = UnsyncBoxBody<Bytes, Error>;
pub(crate) type Sent = BoxFuture<'static, Result<Response<Answer>, Error>>;
/// Sends a request with any client.
pub(crate) type Send = Arc<dyn Fn(Request<Body>) -> Sent + std::marker::Send + Sync>;

/// The parts that a client is built from.
pub(crate) struct Parts {
    pub(crate) outbound: Outbound,
    /// The target of its requests.
    pub(crate) to: Uri,
    pub(crate) certs: Arc<Certs>,
}

/// A kind of client, and the certificates of its peers.
pub(crate) struct Cell {
    pub(crate) kind: &'static Kind,
    pub(crate) certs: Arc<Certs>,
}

/// A client with a recorder.
pub(crate) struct Client {
    pub(crate) outbound: Outbound,
    pub(crate) recorder: Recorder,
    send: Send,
}

impl Cell {
    pub(crate) fn new(kind: &'static Kind) -> Cell {
        Cell { kind, certs: Arc::new(Certs::new(HOST)) }
    }

    pub(crate) fn peer<F, Fut>(&self, handler: F) -> Peer
    where
        F: Fn(Request<Incoming>) -> Fut + std::marker::Send + Sync + 'static,
        Fut: Future<Output = Answered> + std::marker::Send + 'static,
    {
        Peer::start(self.kind, &self.certs, handler)
    }

    pub(crate) fn uri(&self, address: SocketAddr) -> Uri {
        crate::peer::uri(self.kind.tls, address, "/")
    }

    pub(crate) async fn client(&self, to: &Uri) -> Client {
        self.client_with(to, |outbound| outbound).await
    }

    pub(crate) async fn client_with(
        &self,
        to: &Uri,
        options: impl FnOnce(OutboundBuilder) -> OutboundBuilder,
    ) -> Client {
        let recorder = Recorder::new();
        let outbound = options(Outbound::builder().observer(recorder.clone())).build();
        let parts = Parts { outbound: outbound.clone(), to: to.clone(), certs: Arc::clone(&self.certs) };
        let send = (self.kind.build)(parts).await;
        Client { outbound, recorder, send }
    }

    pub(crate) fn is_http2(&self) -> bool {
        self.kind.protocol == tower_outbound::connect::Protocol::Http2
    }
}

impl Client {
    pub(crate) fn send(&self, request: Request<Body>) -> Sent {
        (self.send)(request)
    }

    /// Sends a GET and reads the response.
    pub(crate) async fn get(&self, uri: &Uri) -> Result<(Timings, Bytes), Error> {
        self.read(get(uri)).await
    }

    /// Sends a request and reads the response.
    pub(crate) async fn read(&self, request: Request<Body>) -> Result<(Timings, Bytes), Error> {
        let response = self.send(request).await?;
        let timings = timings(&response);
        let body = response.into_body().collect().await?.to_bytes();
        assert!(timings.is_complete(), "{timings}");
        Ok((timings, body))
    }

    /// Drops the client and waits until every start event has its end event.
    pub(crate) async fn leave(self) -> Recorder {
        let Client { outbound, recorder, send } = self;
        drop((outbound, send));
        recorder.settled().await;
        recorder
    }
}

pub(crate) fn get(uri: &Uri) -> Request<Body> {
    Request::get(uri).body(text("")).unwrap()
}

pub(crate) fn post(uri: &Uri, body: Body) -> Request<Body> {
    Request::post(uri).body(body).unwrap()
}

pub(crate) fn text(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).map_err(|never| match never {}).boxed()
}

pub(crate) fn timings<B>(response: &Response<B>) -> Timings {
    response.extensions().get::<Timings>().expect("every response has timings").clone()
}
