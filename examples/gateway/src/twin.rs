//! The twin: a gRPC service on tonic that calls an HTTP upstream and a gRPC upstream.

use std::time::Duration;

use axum::http::{Request as HttpRequest, Uri};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};
use tower_http::classify::GrpcFailureClass;
use tower_http::trace::TraceLayer;
use tower_outbound::tonic::TonicChannel;
use tower_outbound::{Class, OutboundClient, UrlTemplate};
use tracing::{Span, field};

use crate::rpc::prices_client::PricesClient;
use crate::rpc::twin_server::{Twin, TwinServer};
use crate::rpc::{Item, Quote};
use crate::{service, upstream};

/// Path of its only method.
const QUOTE: &str = "/gateway.Twin/Quote";
/// Path of the HTTP upstream that it calls.
const STOCK: &str = "/fast";

/// The clients of the twin; both belong to one `Outbound`.
struct Clients {
    http: OutboundClient,
    stock: String,
    prices: PricesClient<TonicChannel>,
}

/// Serves the twin until the process ends. `stock` is the origin of the HTTP upstream.
pub(crate) fn serve(listener: TcpListener, http: OutboundClient, stock: &str, prices: Uri) {
    let prices = PricesClient::new(http.outbound().tonic(prices).connect_lazy());
    let clients = Clients { http, stock: format!("{stock}{STOCK}"), prices };
    let trace = TraceLayer::new_for_grpc()
        .make_span_with(server_span)
        .on_request(())
        .on_response(())
        .on_failure(|failure: GrpcFailureClass, _: Duration, span: &Span| failed(&failure, span));
    let server = Server::builder().layer(trace).add_service(TwinServer::new(clients));
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    tokio::spawn(server.serve_with_incoming(incoming));
}

#[tonic::async_trait]
impl Twin for Clients {
    async fn quote(&self, request: Request<Item>) -> Result<Response<Quote>, Status> {
        let item = request.into_inner();
        let mut prices = self.prices.clone();
        // Both at once. If one fails, the other still runs to its end.
        let (stock, price) = tokio::join!(self.stock(), prices.price(item));
        let (stock, price) = (stock?, price?.into_inner());
        Ok(Response::new(Quote { cents: price.cents, seen: vec![stock, price.seen] }))
    }
}

impl Clients {
    /// The `traceparent` that the HTTP upstream received.
    async fn stock(&self) -> Result<String, Status> {
        let request = HttpRequest::get(&self.stock).extension(UrlTemplate::from_static(STOCK));
        let request = request.body(Empty::<Bytes>::new()).expect("an origin and a path");
        let response = self.http.request(request).await.map_err(|error| unavailable(&error))?;
        let (head, body) = response.into_parts();
        body.collect().await.map_err(|error| Status::unavailable(error.to_string()))?;
        let seen = head.headers.get(upstream::SEEN).and_then(|seen| seen.to_str().ok());
        Ok(seen.unwrap_or_default().to_owned())
    }
}

/// The caller receives the kind of the failure, and no address of the upstream.
fn unavailable(error: &tower_outbound::Error) -> Status {
    tracing::debug!(%error, "the upstream did not answer");
    let kind = error.failure().kind().as_str();
    match error.failure().class() {
        Some(Class::Timeout) => Status::deadline_exceeded(kind),
        _ => Status::unavailable(kind),
    }
}

/// As the gateway's span, with the RPC convention's attributes.
fn server_span<B>(request: &HttpRequest<B>) -> Span {
    // The caller chooses the path: an unknown one would be a series of its own.
    let method = if request.uri().path() == QUOTE { &QUOTE[1..] } else { "_OTHER" };
    let span = tracing::info_span!(
        "request",
        otel.name = method,
        otel.kind = "server",
        otel.status_code = field::Empty,
        rpc.system.name = "grpc",
        rpc.method = method,
        rpc.response.status_code = field::Empty,
    );
    service::continue_trace(span, request.headers())
}

fn failed(failure: &GrpcFailureClass, span: &Span) {
    if let GrpcFailureClass::Status(status) = failure {
        span.record("rpc.response.status_code", field::display(status));
    }
    span.record("otel.status_code", "ERROR");
}
