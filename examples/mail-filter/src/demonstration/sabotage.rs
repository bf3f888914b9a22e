//! Faults of the service itself, planted to see that the report finds each of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};

use crate::cli::Cli;

/// Messages below are never uploaded.
const SMALL: usize = 8 << 10;
/// A delivery may meet a fault of a peer.
const TRIES: usize = 100;

/// How many of each are still to be planted.
#[derive(Clone, Default)]
pub(super) struct Sabotage(Arc<Left>);

#[derive(Default)]
struct Left {
    wrong: AtomicU64,
    lost: AtomicU64,
    twice: AtomicU64,
}

impl Sabotage {
    pub(super) fn new(cli: &Cli) -> Self {
        let [wrong, lost, twice] = [cli.plant_wrong, cli.plant_lost, cli.plant_twice].map(AtomicU64::new);
        Self(Arc::new(Left { wrong, lost, twice }))
    }

    /// The service behind it.
    pub(super) fn around(self, routes: Router) -> Router {
        routes.layer(from_fn_with_state(self, plant))
    }
}

fn take(left: &AtomicU64) -> bool {
    left.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1)).is_ok()
}

fn is_final(response: &Response) -> bool {
    matches!(response.status(), StatusCode::OK | StatusCode::FORBIDDEN)
}

async fn plant(State(Sabotage(left)): State<Sabotage>, request: Request, next: Next) -> Response {
    if left.wrong.load(Relaxed) + left.lost.load(Relaxed) + left.twice.load(Relaxed) == 0 {
        return next.run(request).await;
    }
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, usize::MAX).await else { return StatusCode::BAD_REQUEST.into_response() };
    if take(&left.lost) {
        return verdict(StatusCode::OK, "accept");
    }
    let again = || Request::from_parts(head.clone(), Body::from(body.clone()));
    let response = next.clone().run(again()).await;
    if !is_final(&response) {
        return response;
    }
    if take(&left.wrong) {
        return match response.status() {
            StatusCode::OK => verdict(StatusCode::FORBIDDEN, "reject"),
            _ => verdict(StatusCode::OK, "accept"),
        };
    }
    if body.len() < SMALL && take(&left.twice) {
        for _ in 0..TRIES {
            if is_final(&next.clone().run(again()).await) {
                break;
            }
        }
    }
    response
}

fn verdict(status: StatusCode, verdict: &str) -> Response {
    (status, format!(r#"{{"id": "planted", "verdict": "{verdict}"}}"#)).into_response()
}
