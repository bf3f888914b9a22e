//! Every kind of client, with the layers in their places.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Response, Uri};
use http_body_util::BodyExt as _;
use http_body_util::combinators::{BoxBody, UnsyncBoxBody};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client as LegacyClient;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tonic::body::Body as TonicBody;
use tonic::transport::Endpoint;
use tower::{Service, ServiceBuilder, ServiceExt as _};
use tower_layer::Layer as _;
use tower_outbound::hyper::{DriveExecutor, HandshakeLayer, HyperService};
use tower_outbound::observe::ObserveRequestBody;
use tower_outbound::retry::LeasedBody;
use tower_outbound::{BoxError, Error, Outbound};

use crate::certs::Certs;

/// The body of a request: reqwest requires `Sync`.
pub(super) type Body = BoxBody<Bytes, std::io::Error>;
/// The body of an answer.
pub(super) type Answer = UnsyncBoxBody<Bytes, Error>;
/// Sends a request with any client.
pub(super) type Send = Arc<
    dyn Fn(Request<Body>) -> BoxFuture<'static, Result<Response<Answer>, BoxError>>
        + std::marker::Send
        + Sync,
>;

/// A kind of client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The client of the crate.
    Outbound,
    /// hyper-util's client with the layers around it.
    HyperUtil,
    /// hyper's connections, opened by hand.
    HyperConn,
    /// tonic's channel.
    Tonic,
    /// reqwest.
    Reqwest,
}

/// A kind of client, and how it speaks to its peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// The kind.
    pub kind: Kind,
    /// HTTP/2; otherwise HTTP/1.
    pub http2: bool,
    /// Inside TLS.
    pub tls: bool,
}

const fn client(kind: Kind, http2: bool, tls: bool) -> Client {
    Client { kind, http2, tls }
}

/// All clients. The first speaks HTTP/1 without TLS.
pub(super) const ALL: [Client; 14] = [
    client(Kind::Outbound, false, false),
    client(Kind::HyperUtil, true, false),
    client(Kind::HyperConn, false, false),
    client(Kind::Tonic, true, false),
    client(Kind::Reqwest, false, false),
    client(Kind::Outbound, true, true),
    client(Kind::HyperUtil, false, false),
    client(Kind::HyperConn, true, false),
    client(Kind::Outbound, false, true),
    client(Kind::Tonic, true, true),
    client(Kind::Reqwest, true, true),
    client(Kind::Outbound, true, false),
    client(Kind::HyperUtil, false, true),
    client(Kind::HyperUtil, true, true),
];

impl Client {
    /// Whether the layers see the IO.
    #[must_use]
    pub fn is_tracked(self) -> bool {
        self.kind != Kind::Reqwest
    }

    /// The client of this kind for one target.
    #[must_use]
    pub(super) fn build(self, outbound: &Outbound, to: &Uri, certs: &Certs) -> Send {
        match self.kind {
            Kind::Outbound => cloned(
                outbound.client_builder().tls_config(certs.client_config(&[])).http2_only(self.http2).build(),
            ),
            Kind::HyperUtil => self.hyper_util(outbound, certs),
            Kind::HyperConn if self.http2 => http2_by_hand(outbound, to),
            Kind::HyperConn => http1_by_hand(outbound, to),
            Kind::Tonic => self.tonic(outbound, to, certs),
            Kind::Reqwest => self.reqwest(outbound, certs),
        }
    }

    fn hyper_util(self, outbound: &Outbound, certs: &Certs) -> Send {
        let https = HttpsConnectorBuilder::new().with_tls_config(certs.client_config(&[])).https_or_http();
        let https = match self.http2 {
            true => https.enable_http2().wrap_connector(outbound.http_connector()),
            false => https.enable_http1().wrap_connector(outbound.http_connector()),
        };
        // Drives the connections, so that each attempt on HTTP/2 knows its stream.
        let executor = DriveExecutor::new(TokioExecutor::new());
        let connector = outbound.track_layer().executor(&executor).layer(https);
        let client = LegacyClient::builder(executor)
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(outbound.idle_timeout())
            .retry_canceled_requests(false)
            .http2_only(self.http2)
            .build(connector);
        cloned(outbound.layer().layer(client))
    }

    fn tonic(self, outbound: &Outbound, to: &Uri, certs: &Certs) -> Send {
        let builder = outbound.tonic(Endpoint::from(to.clone()));
        let channel = match self.tls {
            true => builder.tls_config(certs.client_config(&[])).connect_lazy(),
            false => builder.connect_lazy(),
        };
        // The channel takes tonic's own body.
        let own = |request: Request<Body>| request.map(TonicBody::new);
        cloned(ServiceBuilder::new().map_request(own).service(channel))
    }

    fn reqwest(self, outbound: &Outbound, certs: &Certs) -> Send {
        let alpn: &[&str] = if self.http2 { &["h2"] } else { &["http/1.1"] };
        let builder =
            reqwest::Client::builder().no_proxy().tls_backend_preconfigured(certs.client_config(alpn));
        cloned(outbound.reqwest(builder).expect("the options are valid"))
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.kind {
            Kind::Outbound => "OutboundClient",
            Kind::HyperUtil => "hyper-util",
            Kind::HyperConn => "hyper conn",
            Kind::Tonic => "tonic",
            Kind::Reqwest => "reqwest",
        };
        let version = if self.http2 { "HTTP/2" } else { "HTTP/1" };
        write!(f, "{name}, {version}{}", if self.tls { " in TLS" } else { "" })
    }
}

/// A client that can be cloned.
fn cloned<S, B>(service: S) -> Send
where
    S: Service<Request<Body>, Response = Response<B>> + Clone + std::marker::Send + Sync + 'static,
    S::Error: Into<BoxError>,
    S::Future: std::marker::Send,
    B: http_body::Body<Data = Bytes> + std::marker::Send + 'static,
    B::Error: Into<Error>,
{
    Arc::new(move |request| {
        let call = service.clone().oneshot(request);
        Box::pin(async move {
            let response = call.await.map_err(Into::into)?;
            Ok(response.map(|body| body.map_err(Into::into).boxed_unsync()))
        })
    })
}

/// Connections of HTTP/1, each used by one request after the other. A connect is no part of an attempt.
fn http1_by_hand(outbound: &Outbound, to: &Uri) -> Send {
    let connect = HandshakeLayer::<_, ObserveRequestBody<Body>>::http1()
        .layer(outbound.connector(outbound.http_connector()));
    let (layer, to) = (outbound.observe_layer(), to.clone());
    let idle = Arc::new(Mutex::new(Vec::new()));
    Arc::new(move |request| {
        let (mut connect, layer, to, idle) = (connect.clone(), layer.clone(), to.clone(), Arc::clone(&idle));
        Box::pin(async move {
            loop {
                let free = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
                let mut service = match free {
                    Some(service) => service,
                    None => layer.layer(connect.ready().await?.call(to.clone()).await?),
                };
                // A connection that has ended is left out.
                if service.ready().await.is_err() {
                    continue;
                }
                let response = service.call(request).await?;
                // Ready again after the end of the body.
                idle.lock().unwrap_or_else(PoisonError::into_inner).insert(0, service);
                return Ok(response.map(|body| body.map_err(Into::into).boxed_unsync()));
            }
        })
    })
}

/// One connection of HTTP/2, which is replaced when it has ended. A connect is no part of an attempt.
fn http2_by_hand(outbound: &Outbound, to: &Uri) -> Send {
    type Sender = HyperService<hyper::client::conn::http2::SendRequest<ObserveRequestBody<LeasedBody<Body>>>>;

    let connect = HandshakeLayer::<_, ObserveRequestBody<LeasedBody<Body>>>::http2()
        .layer(outbound.connector(outbound.http_connector()));
    let (layer, to) = (outbound.layer(), to.clone());
    let current = Arc::new(tokio::sync::Mutex::new(None::<Sender>));
    Arc::new(move |request| {
        let (mut connect, layer, to, current) =
            (connect.clone(), layer.clone(), to.clone(), Arc::clone(&current));
        Box::pin(async move {
            let mut held = current.lock().await;
            let sender = match held.as_mut() {
                Some(sender) if !sender.get_ref().is_closed() => sender.clone(),
                _ => held.insert(connect.ready().await?.call(to).await?).clone(),
            };
            drop(held);
            let response = layer.layer(sender).oneshot(request).await?;
            Ok(response.map(|body| body.map_err(Into::into).boxed_unsync()))
        })
    })
}
