//! The storage over plain HTTP.

use std::sync::Arc;

use http_body_util::BodyExt as _;
use hyper::Response;
use hyper::header::AUTHORIZATION;
use s3s::Body;

use super::super::ledger::{Ledger, Upload};
use super::peer::Handler;

/// `PUT /store/GENERATION/ID`.
pub(super) fn handler(ledger: Arc<Ledger>) -> Handler {
    Arc::new(move |_, request| {
        let ledger = ledger.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let token = head.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
            let mut parts = head.uri.path().rsplit('/');
            let (id, generation) = (parts.next().unwrap_or_default(), parts.next());
            // What did not come whole is not stored.
            if let Ok(body) = body.collect().await {
                ledger.uploaded(
                    id,
                    Upload {
                        size: body.to_bytes().len() as u64,
                        generation: generation.and_then(|number| number.parse().ok()),
                        of_token: token.and_then(|token| token.strip_prefix("Bearer s-")?.parse().ok()),
                    },
                );
            }
            let mut response = Response::new(Body::empty());
            *response.status_mut() = hyper::StatusCode::CREATED;
            response
        })
    })
}
