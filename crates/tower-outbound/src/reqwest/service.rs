use std::fmt;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tokio::time::Instant;
use tower_service::Service;

use super::ReqwestFuture;
use crate::error::BoxError;
use crate::foreign::{RedirectGuardBody, SocketPairs};
use crate::record::Attempt;

/// A `reqwest::Client` as a [`Service`] of `http::Request`, which identifies the connection of each response; from
/// [`ReqwestConnectorLayer::service`](crate::reqwest::ReqwestConnectorLayer::service).
///
/// Put it below [`Outbound::layer`](crate::Outbound::layer). Its errors are reqwest's. Their URL, which reqwest prints, is
/// without user info, query and fragment: these may contain secrets. A response has its final URL in the extensions, where `reqwest::Response::from` reads it.
///
/// # Redirects
/// A response after redirects has no connection, since its attempt may have used several. Redirects that end at the URL of
/// the request are not detected: then the connection is that of the last request. The
/// [send state](crate::SendState) of a failed request that reqwest has begun to send is unknown: the request may have been
/// answered with a redirect, and the next request have failed. With
/// [`no_retries`](crate::reqwest::ReqwestConnectorLayer::no_retries) a request that an HTTP/2 peer refuses before any
/// redirect is known as not processed, and retried.
///
/// # Cost
/// One box for the request's body, and three allocations: a copy of the URL, and two entries in the response's extensions.
#[derive(Clone)]
pub struct ReqwestService {
    client: reqwest::Client,
    sockets: SocketPairs,
    redirects_reported: bool,
}

impl ReqwestService {
    pub(super) const fn new(client: reqwest::Client, sockets: SocketPairs, redirects_reported: bool) -> Self {
        Self { client, sockets, redirects_reported }
    }

    /// The client.
    #[must_use]
    pub const fn get_ref(&self) -> &reqwest::Client {
        &self.client
    }

    /// The client.
    #[must_use]
    pub fn into_inner(self) -> reqwest::Client {
        self.client
    }
}

impl<B> Service<Request<B>> for ReqwestService
where
    B: Body + Send + Sync + 'static,
    B::Data: Into<Bytes>,
    B::Error: Into<BoxError>,
{
    type Response = Response<reqwest::Body>;
    type Error = reqwest::Error;
    type Future = ReqwestFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), reqwest::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ReqwestFuture {
        let (attempt, reported) = (Attempt::current(), self.redirects_reported);
        let guarded = |body| reqwest::Body::wrap(RedirectGuardBody::new(body, attempt.clone(), reported));
        match reqwest::Request::try_from(request.map(guarded)) {
            Ok(mut request) => {
                bound_by_timeout(&mut request, attempt.as_ref());
                let url = request.url().clone();
                ReqwestFuture::sent(self.client.call(request), url, self.sockets.clone(), attempt)
            }
            Err(error) => ReqwestFuture::failed(error),
        }
    }
}

/// The request's timeout is that of the call: each attempt gets what is left.
fn bound_by_timeout(request: &mut reqwest::Request, attempt: Option<&Attempt>) {
    let (Some(timeout), Some(attempt)) = (request.timeout_mut(), attempt) else { return };
    let call = attempt.call();
    if let Some(deadline) = call.start().checked_add(*timeout) {
        call.end_retries_by(deadline);
        *timeout = deadline.saturating_duration_since(Instant::now());
    }
}

impl fmt::Debug for ReqwestService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // reqwest's `Debug` prints default headers, which may contain secrets.
        f.debug_struct("ReqwestService").finish_non_exhaustive()
    }
}
