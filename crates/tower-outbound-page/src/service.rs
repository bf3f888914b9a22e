//! [`PageService`]: answers requests for the page.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use serde::Serialize;
use tower_outbound::Outbound;
use tower_service::Service;

use crate::Page;
use crate::calls::{KeptCall, ms};
use crate::view::{Content, connections, html, origins};

/// Nothing but the page's own style is loaded.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; frame-ancestors 'none'";

/// Answers `GET` and `HEAD` with the page as HTML, or with a part as JSON if the query is `json=origins`, `json=connections` or
/// `json=calls`; `refresh=5` lets the browser ask again every 5 s.
///
/// It takes any body and any path, so `axum::Router::route_service`, `nest_service` and `fallback_service` take it.
#[derive(Clone, Debug)]
pub struct PageService {
    page: Page,
    outbound: Outbound,
}

/// The last calls of both kinds.
#[derive(Serialize)]
struct Calls {
    troubled: Vec<Arc<KeptCall>>,
    slow: Vec<Arc<KeptCall>>,
}

impl PageService {
    pub(crate) const fn new(page: Page, outbound: Outbound) -> Self {
        Self { page, outbound }
    }

    fn answer(&self, method: &Method, query: &str) -> Response<Full<Bytes>> {
        if method != Method::GET && method != Method::HEAD {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD");
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        let value = |name: &str| {
            let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            pairs.filter(|(key, _)| *key == name).map(|(_, value)| value).next_back()
        };
        let shared = &self.page.0;
        let open = || self.outbound.connections();
        let limit = self.outbound.max_connections_per_origin();
        match value("json") {
            Some("origins") => json(&origins(shared, &open(), limit)),
            Some("connections") => json(&connections(&open())),
            Some("calls") => json(&Calls { troubled: shared.calls.troubled(), slow: shared.calls.slow() }),
            Some(_) => text(StatusCode::NOT_FOUND, "json is one of origins, connections, calls"),
            None => {
                let open = open();
                let content = Content {
                    origins: &origins(shared, &open, limit),
                    connections: &connections(&open),
                    slow: &shared.calls.slow(),
                    troubled: &shared.calls.troubled(),
                    slow_from_ms: ms(shared.calls.slow_from()),
                    refresh: value("refresh").and_then(|seconds| seconds.parse().ok()).filter(|s| *s > 0),
                };
                let page = html(&content).into_string();
                respond(StatusCode::OK, "text/html; charset=utf-8", page.into())
            }
        }
    }
}

impl<B> Service<Request<B>> for PageService {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ready(Ok(self.answer(request.method(), request.uri().query().unwrap_or_default())))
    }
}

fn text(status: StatusCode, message: &'static str) -> Response<Full<Bytes>> {
    respond(status, "text/plain; charset=utf-8", Bytes::from_static(message.as_bytes()))
}

fn json(value: &impl Serialize) -> Response<Full<Bytes>> {
    match serde_json::to_vec(value) {
        Ok(json) => respond(StatusCode::OK, "application/json", json.into()),
        Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "the figures cannot be written as JSON"),
    }
}

fn respond(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    for (name, value) in [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
