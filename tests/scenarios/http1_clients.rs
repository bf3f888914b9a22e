//! The clients whose HTTP/1 connections are tracked, behind one type.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, TryFutureExt as _};
use http::{Request, Response, Uri};
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use hyper_util::client::legacy::Client;
use hyper_util::client::pool::cache;
use hyper_util::rt::TokioExecutor;
use tokio::sync::Mutex;
use tower::util::BoxCloneService;
use tower::{Service, ServiceExt as _, service_fn};
use tower_layer::Layer as _;
use tower_outbound::hyper::{HandshakeLayer, HyperService};
use tower_outbound::observe::ObserveRequestBody;
use tower_outbound::{BoxError, Error, Outbound};

/// A body of a request or of a response.
pub(crate) type AnyBody = UnsyncBoxBody<Bytes, BoxError>;
/// An observed client.
pub(crate) type AnyClient = BoxCloneService<Request<AnyBody>, Response<AnyBody>, Error>;
/// Makes a client for one origin.
pub(crate) type MakeClient = fn(Outbound, Uri) -> BoxFuture<'static, AnyClient>;

/// Each client that has HTTP/1 connections with a visible IO. None of them retries what was written.
pub(crate) const HTTP1_CLIENTS: [(&str, MakeClient); 4] = [
    ("OutboundClient", |outbound, _| std::future::ready(any(outbound.client())).boxed()),
    ("hyper-util", |outbound, _| {
        let connector = outbound.connector(outbound.http_connector());
        let client = Client::builder(TokioExecutor::new()).build(connector);
        std::future::ready(any(outbound.attempt_layer().layer(client))).boxed()
    }),
    ("client::pool", |outbound, _| std::future::ready(client_pool(&outbound)).boxed()),
    ("hyper::client::conn", |outbound, uri| hyper_conn(outbound, uri).boxed()),
];

/// Hides the types of a client.
pub(crate) fn any<S, B>(client: S) -> AnyClient
where
    S: Service<Request<AnyBody>, Response = Response<B>, Error = Error> + Clone + Send + 'static,
    S::Future: Send + 'static,
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    BoxCloneService::new(
        client.map_response(|response: Response<B>| {
            response.map(|body| body.map_err(Into::into).boxed_unsync())
        }),
    )
}

fn client_pool(outbound: &Outbound) -> AnyClient {
    let connector = outbound.connector(outbound.http_connector());
    let pool =
        cache::builder().build(HandshakeLayer::<_, ObserveRequestBody<AnyBody>>::http1().layer(connector));
    let client = service_fn(move |request: Request<ObserveRequestBody<AnyBody>>| {
        let pool = pool.clone();
        // Boxed: the compiler cannot prove that the future of a cache is `Send` inside of another one.
        let connected = pool.oneshot(request.uri().clone()).map_err(erase).boxed();
        async move {
            let mut connection = connected.await?;
            connection.ready().await.map_err(erase)?.call(request).await.map_err(erase)
        }
    });
    any(outbound.attempt_layer().layer(client))
}

fn erase(error: impl Into<BoxError>) -> BoxError {
    error.into()
}

async fn hyper_conn(outbound: Outbound, uri: Uri) -> AnyClient {
    let io = outbound.connector(outbound.http_connector()).oneshot(uri.clone()).await.unwrap();
    let (sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
    tokio::spawn(connection);
    let service = outbound.observe_layer().origin(&uri).layer(HyperService::new(sender));
    let service = Arc::new(Mutex::new(service));
    any(service_fn(move |request: Request<AnyBody>| {
        let service = service.clone();
        async move { service.lock().await.ready().await?.call(request).await }
    }))
}
