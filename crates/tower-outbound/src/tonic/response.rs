use http::Request;
use tower_service::Service;

use super::channel::Observed;
use crate::client::{ClientBody, client_future};
use crate::limit::InFlightLimitBody;
use crate::observe::ObserveBody;
use crate::retry::{LeasedBody, PassThrough, RetryFuture};

/// The body of a [`TonicChannel`](crate::tonic::TonicChannel)'s response, which generated clients read.
pub type TonicBody = ClientBody<tonic::body::Body>;

type Attempt = <Observed as Service<Request<LeasedBody<tonic::body::Body>>>>::Future;
type Pending = RetryFuture<
    Observed,
    PassThrough,
    tonic::body::Body,
    Attempt,
    ObserveBody<InFlightLimitBody<tonic::body::Body>>,
>;

client_future! {
    /// The future of a call on a [`TonicChannel`](crate::tonic::TonicChannel), until the response's head.
    ///
    /// # Cancel safety
    /// Dropping the future resets the stream. A connect that has begun goes on for the channel's next call. During the
    /// backoff before a retry there is nothing to reset.
    pub struct TonicFuture(Pending) -> TonicBody;
}
