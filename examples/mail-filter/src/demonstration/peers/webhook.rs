//! The webhook: its verdict is in the message's id.

use std::sync::Arc;

use http_body_util::BodyExt as _;
use hyper::Response;
use hyper::header::AUTHORIZATION;
use s3s::Body;
use serde::Deserialize;

use super::super::ledger::{Ledger, WebhookCall, status_of};
use super::peer::Handler;

#[derive(Deserialize)]
struct Question {
    id: String,
    location: Option<String>,
    size: u64,
}

/// `POST /hook/GENERATION`.
pub(super) fn handler(ledger: Arc<Ledger>) -> Handler {
    Arc::new(move |connection, request| {
        let ledger = ledger.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let question = body.collect().await.ok().map(http_body_util::Collected::to_bytes);
            let question = question.and_then(|bytes| serde_json::from_slice::<Question>(&bytes).ok());
            // A part of a request is none.
            let Some(question) = question else { return answer(400, "no question") };
            let status = status_of(&question.id);
            let token = head.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
            let last = |text: &str| text.rsplit('/').next().and_then(|number| number.parse().ok());
            // Its generation is the last part but one.
            let stored = question.location.as_deref().and_then(|location| location.rsplit_once('/'));
            ledger.webhook(
                &question.id,
                WebhookCall {
                    connection,
                    status,
                    size: question.size,
                    generation: last(head.uri.path()),
                    of_token: token.and_then(|token| token.strip_prefix("Bearer w-")?.parse().ok()),
                    uploaded: question.location.is_some(),
                    of_location: stored.and_then(|(above, _)| last(above)),
                },
            );
            answer(status, "as the id says")
        })
    })
}

fn answer(status: u16, reason: &str) -> Response<Body> {
    let response = Response::builder().status(status).header("content-type", "application/json");
    response.body(Body::from(format!(r#"{{"reason": "{reason}"}}"#))).unwrap_or_default()
}
