use std::fmt;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::ReqwestFuture;
use crate::error::BoxError;
use crate::foreign::{RedirectGuardBody, SocketPairs};
use crate::record::Attempt;

/// A `reqwest::Client` as a service of `http` requests, which names the connection in each response; from
/// [`ReqwestConnectorLayer::service`](crate::reqwest::ReqwestConnectorLayer::service).
///
/// It goes below [`Outbound::layer`](crate::Outbound::layer). Its errors are reqwest's without the URL, which may hold
/// secrets. The final URL of a response is in its extensions, as reqwest puts it there: `reqwest::Response::from` finds
/// it.
///
/// A response to which redirects have led names no connection: its attempt may have had several. Redirects that end
/// where they began (a form that shows itself again) cannot be told: then it is the connection of the last request. Of a
/// failed request that reqwest has begun to send, nothing is certain: its [send state](crate::SendState) is unknown, since
/// it may be that an answer came, and the request to which that redirected has failed.
///
/// It boxes the request's body, which reqwest demands. Beside that a request costs it three allocations: the copy of a URL,
/// and two entries in the response's extensions.
#[derive(Clone)]
pub struct ReqwestService {
    client: reqwest::Client,
    sockets: SocketPairs,
}

impl ReqwestService {
    pub(super) const fn new(client: reqwest::Client, sockets: SocketPairs) -> Self {
        Self { client, sockets }
    }

    /// The client itself.
    #[must_use]
    pub const fn get_ref(&self) -> &reqwest::Client {
        &self.client
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
        let attempt = Attempt::current();
        let guarded = |body| reqwest::Body::wrap(RedirectGuardBody::new(body, attempt.clone()));
        match reqwest::Request::try_from(request.map(guarded)) {
            Ok(request) => {
                let url = request.url().clone();
                ReqwestFuture::sent(self.client.call(request), url, self.sockets.clone(), attempt)
            }
            Err(error) => ReqwestFuture::failed(error),
        }
    }
}

impl fmt::Debug for ReqwestService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // reqwest's own shows its default headers.
        f.debug_struct("ReqwestService").finish_non_exhaustive()
    }
}
