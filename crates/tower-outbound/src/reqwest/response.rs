use http::Request;
use tower_service::Service;

use super::client::Observed;
use crate::client::{ClientBody, client_future};
use crate::limit::InFlightLimitBody;
use crate::observe::ObserveBody;
use crate::retry::{LeasedBody, PassThrough, RetryFuture};

/// The body of a [`ReqwestClient`](crate::reqwest::ReqwestClient)'s response.
pub type ReqwestBody = ClientBody<reqwest::Body>;

type Attempt = <Observed as Service<Request<LeasedBody<reqwest::Body>>>>::Future;
type Pending =
    RetryFuture<Observed, PassThrough, reqwest::Body, Attempt, ObserveBody<InFlightLimitBody<reqwest::Body>>>;

client_future! {
    /// The future of a [`ReqwestClient`](crate::reqwest::ReqwestClient)'s request, until the response's head.
    ///
    /// # Cancel safety
    /// See [`ReqwestFuture`](crate::reqwest::ReqwestFuture). During the backoff before a retry there is nothing to close.
    pub struct ReqwestClientFuture(Pending) -> ReqwestBody;
}
