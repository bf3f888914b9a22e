//! The twin: a gRPC service on tonic that calls an HTTP upstream and a gRPC upstream.

use axum::http::Request as HttpRequest;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use opentelemetry::context::FutureExt as _;
use opentelemetry::trace::{SpanKind, Status as SpanStatus, TraceContextExt as _, Tracer as _};
use opentelemetry::{KeyValue, global};
use opentelemetry_http::HeaderExtractor;
use opentelemetry_sdk::trace::SdkTracer;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Code, Request, Response, Status};
use tower_outbound::deadline::{DeadlineHeaders, IncomingDeadlineLayer};
use tower_outbound::tonic::TonicChannel;
use tower_outbound::{Class, OutboundClient, UrlTemplate};

use crate::rpc::prices_client::PricesClient;
use crate::rpc::twin_server::{Twin, TwinServer};
use crate::rpc::{Item, Quote};
use crate::servers::OfTwin;
use crate::upstream;

/// Its only method.
const QUOTE: &str = "gateway.Twin/Quote";
/// Path of the HTTP upstream that it calls.
const STOCK: &str = "/fast";

/// The clients of the twin; both belong to one `Outbound`.
struct Clients {
    http: OutboundClient,
    stock: String,
    prices: PricesClient<TonicChannel>,
}

/// Serves the twin until `stop` completes. `stock` is the origin of the HTTP upstream.
pub(crate) fn serve(
    listener: TcpListener,
    OfTwin { client, prices, tracer }: OfTwin,
    stock: &str,
    stop: impl Future<Output = ()> + Send + 'static,
) -> JoinHandle<()> {
    let prices = PricesClient::new(client.outbound().tonic(upstream::uri(prices)).connect_lazy());
    let clients = Clients { http: client, stock: format!("{stock}{STOCK}"), prices };
    // A caller's `grpc-timeout` is the deadline of the calls below.
    let deadline = IncomingDeadlineLayer::new(DeadlineHeaders::new());
    let server = Server::builder().layer(deadline).add_service(TwinServer::new(Traced { clients, tracer }));
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    tokio::spawn(async move {
        let _ = server.serve_with_incoming_shutdown(incoming, stop).await;
    })
}

/// Makes the server's span with the OpenTelemetry API: the process's subscriber exports to the gateway's pipeline.
struct Traced {
    clients: Clients,
    tracer: SdkTracer,
}

#[tonic::async_trait]
impl Twin for Traced {
    async fn quote(&self, request: Request<Item>) -> Result<Response<Quote>, Status> {
        let headers = HeaderExtractor(request.metadata().as_ref());
        let caller = global::get_text_map_propagator(|propagator| propagator.extract(&headers));
        let span = self
            .tracer
            .span_builder(QUOTE)
            .with_kind(SpanKind::Server)
            .with_attributes([KeyValue::new("rpc.system.name", "grpc"), KeyValue::new("rpc.method", QUOTE)]);
        // If the caller cancels the request, the span ends with the context.
        let context = caller.with_span(span.start_with_context(&self.tracer, &caller));
        let quoted = self.clients.quote(request.into_inner()).with_context(context.clone()).await;
        let span = context.span();
        span.set_attribute(KeyValue::new("rpc.response.status_code", code(&quoted)));
        if let Err(status) = &quoted {
            span.set_status(SpanStatus::error(status.message().to_owned()));
        }
        span.end();
        quoted.map(Response::new)
    }
}

/// The name of the status code by the convention, such as `DEADLINE_EXCEEDED`.
fn code<T>(result: &Result<T, Status>) -> String {
    let code = result.as_ref().err().map_or(Code::Ok, Status::code);
    let mut name = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

impl Clients {
    async fn quote(&self, item: Item) -> Result<Quote, Status> {
        let mut prices = self.prices.clone();
        // Both at once. If one fails, the other still runs to its end.
        let (stock, price) = tokio::join!(self.stock(), prices.price(item));
        let (stock, price) = (stock?, price?.into_inner());
        Ok(Quote { cents: price.cents, seen: vec![stock, price.seen] })
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_code_has_name_of_convention() {
        for (result, name) in [
            (Ok(()), "OK"),
            (Err(Status::unavailable("")), "UNAVAILABLE"),
            (Err(Status::deadline_exceeded("")), "DEADLINE_EXCEEDED"),
        ] {
            assert_eq!(code(&result), name);
        }
    }
}
