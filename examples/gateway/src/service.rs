//! The gateway: an axum service that forwards requests to the upstreams through one `OutboundClient`, or to the twin.

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Path, Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{AppendHeaders, IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use http_body_util::Empty;
use opentelemetry::global;
use opentelemetry_http::HeaderExtractor;
use tonic::Code;
use tower_http::trace::TraceLayer;
use tower_outbound::tonic::TonicChannel;
use tower_outbound::{Class, OutboundClient, UrlTemplate};
use tracing::{Span, field};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::rpc::Item;
use crate::rpc::twin_client::TwinClient;
use crate::upstream;

/// An HTTP upstream: its path prefix, such as `/plain`, and its origin.
pub(crate) type Side = (&'static str, String);

/// Where the live page is. Its requests have no span.
pub(crate) const PAGE: &str = "/debug/outbound";

/// The paths of each upstream below its prefix, and the twin's quotes below `/twin`.
pub(crate) fn router(client: OutboundClient, sides: &[Side], twin: TwinClient<TonicChannel>) -> Router {
    let trace = TraceLayer::new_for_http()
        .make_span_with(server_span)
        .on_request(())
        .on_response(|response: &Response, _: Duration, span: &Span| status(response, span))
        .on_failure(());
    let quote = get(async |Path(item)| quote(twin, item).await);
    let router = sides.iter().fold(Router::new(), |router, (side, origin)| router.nest(side, routes(origin)));
    router.with_state(client).route("/twin/{item}", quote).layer(trace)
}

fn routes(origin: &str) -> Router<OutboundClient> {
    upstream::PATHS.into_iter().fold(Router::new(), |router, template| {
        let origin = origin.to_owned();
        let handler =
            async move |State(client), uri: Uri| forward(client, &origin, template, uri.path()).await;
        router.route(template, get(handler))
    })
}

/// Forwards status, body and a few headers. The body streams; the attempt ends with it.
async fn forward(client: OutboundClient, origin: &str, template: &'static str, path: &str) -> Response {
    // The template names span and metrics: one series, not one for each path.
    let request = Request::get(format!("{origin}{path}")).extension(UrlTemplate::from_static(template));
    let request = request.body(Empty::<Bytes>::new()).expect("the path was parsed as one");
    let response = match client.request(request).await {
        Ok(response) => response,
        Err(error) => return unreachable(&error),
    };
    let (head, body) = response.into_parts();
    let mut answer = (head.status, Body::new(body)).into_response();
    for name in [CONTENT_TYPE, CONTENT_LENGTH, upstream::SEEN] {
        if let Some(value) = head.headers.get(&name) {
            answer.headers_mut().insert(name, value.clone());
        }
    }
    answer
}

/// Calls the twin over gRPC.
async fn quote(mut twin: TwinClient<TonicChannel>, item: String) -> Response {
    match twin.quote(Item { name: item }).await {
        Ok(quote) => {
            let quote = quote.into_inner();
            let seen = AppendHeaders(quote.seen.into_iter().map(|seen| (upstream::SEEN, seen)));
            (seen, format!("{} cents\n", quote.cents)).into_response()
        }
        Err(status) => {
            tracing::debug!(%status, "the twin did not answer");
            let code = match status.code() {
                Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
                _ => StatusCode::BAD_GATEWAY,
            };
            (code, format!("{}\n", status.message())).into_response()
        }
    }
}

/// The caller receives the kind of the failure, and no address of the upstream.
fn unreachable(error: &tower_outbound::Error) -> Response {
    tracing::warn!(%error, "the upstream did not answer");
    let status = match error.failure().class() {
        Some(Class::Timeout) => StatusCode::GATEWAY_TIMEOUT,
        _ => StatusCode::BAD_GATEWAY,
    };
    (status, format!("{}\n", error.failure().kind())).into_response()
}

/// The span of the service: a child of the caller's span, and the parent of the attempts in its handler.
fn server_span(request: &Request) -> Span {
    let method = request.method();
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let span = tracing::info_span!(
        "request",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        otel.status_code = field::Empty,
        http.request.method = %method,
        http.route = route,
        http.response.status_code = field::Empty,
    );
    continue_trace(span, request.headers())
}

/// Makes the span a child of the caller's span.
fn continue_trace(span: Span, headers: &HeaderMap) -> Span {
    let caller = global::get_text_map_propagator(|propagator| propagator.extract(&HeaderExtractor(headers)));
    // Fails only if tracing is off.
    let _ = span.set_parent(caller);
    span
}

fn status(response: &Response, span: &Span) {
    // An attribute of tracing-opentelemetry is a number only as an `i64`.
    span.record("http.response.status_code", i64::from(response.status().as_u16()));
    if response.status().is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
}
