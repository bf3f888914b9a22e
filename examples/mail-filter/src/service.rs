//! The service: `POST /messages` and `GET /metrics`.

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::spawn_blocking;

use crate::Message;
use crate::filter::Filter;
use crate::metrics::Page;

/// Larger messages are refused with 413.
const LARGEST: usize = 64 << 20;
/// The header with the caller's name for a message.
const ID: &str = "x-message-id";

/// The routes.
pub fn routes(filter: Filter, page: Page) -> Router {
    Router::new()
        .route("/messages", post(take))
        .layer(DefaultBodyLimit::max(LARGEST))
        .with_state(filter)
        .merge(Router::new().route("/metrics", get(metrics)).with_state(page))
}

async fn take(State(filter): State<Filter>, headers: HeaderMap, body: Bytes) -> Response {
    let id = headers.get(ID).and_then(|id| id.to_str().ok());
    let decision = filter.decide(&Message::new(id, body)).await;
    let json = serde_json::to_string(&decision).unwrap_or_default();
    (decision.verdict.status(), [(CONTENT_TYPE, "application/json")], json).into_response()
}

async fn metrics(State(page): State<Page>) -> Response {
    match page.text() {
        Ok(text) => ([(CONTENT_TYPE, page.content_type())], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

/// Reloads at each SIGHUP, until dropped. Signals that arrive during a reload are one more reload.
///
/// # Errors
/// The signal cannot be listened to.
pub fn reload_on_sighup(filter: &Filter) -> std::io::Result<impl Future<Output = ()> + Send + use<>> {
    let mut hangup = signal(SignalKind::hangup())?;
    let filter = filter.clone();
    Ok(async move {
        while hangup.recv().await.is_some() {
            let filter = filter.clone();
            // Both outcomes are in the log.
            let _ = spawn_blocking(move || filter.reload()).await;
        }
    })
}

/// Resolves on ctrl-c, and on SIGTERM.
///
/// # Errors
/// The signals cannot be listened to.
pub fn end() -> std::io::Result<impl Future<Output = ()> + Send> {
    let [mut interrupt, mut terminate] = [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?];
    Ok(async move {
        tokio::select! { _ = interrupt.recv() => {} _ = terminate.recv() => {} }
    })
}
