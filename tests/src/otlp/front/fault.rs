//! What a front can do to a request.

use std::time::Duration;

/// What a front speaks on both sides.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FrontProtocol {
    /// HTTP/1.1, for OTLP as `http/protobuf`.
    Http,
    /// HTTP/2 by prior knowledge, for OTLP as `grpc`.
    Grpc,
}

/// What a front does to each request that it has read whole, and to each connection.
///
/// Only [`Refused`](Fault::Refused) and [`Silent`](Fault::Silent) close the open connections, those that cut
/// close the one of the request; all others leave connections as they are.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Fault {
    /// Forwards faithfully, also for a client that has left; answers 502 or UNAVAILABLE if nobody is there.
    #[default]
    None,
    /// Nothing listens on the port, and what was open is closed.
    Refused,
    /// What was open is closed, and a connection is not accepted: it waits in the backlog, and is served, with
    /// what it has sent, when another fault is set.
    Silent,
    /// Reads, and never answers.
    Hanging,
    /// Forwards after this much real time, also for a client that has left meanwhile.
    Slow(Duration),
    /// Answers `220 smtp ready\r\n` and closes.
    Garbage,
    /// 429, or RESOURCE_EXHAUSTED.
    TooMany {
        /// `Retry-After`, in whole seconds rounded up, or `google.rpc.RetryInfo`.
        retry_after: Option<Duration>,
    },
    /// 503, or UNAVAILABLE.
    Unavailable {
        /// `Retry-After`, in whole seconds rounded up, or `google.rpc.RetryInfo`.
        retry_after: Option<Duration>,
    },
    /// 400, or INVALID_ARGUMENT.
    Rejects,
    /// Forwards nothing and answers success, with so many spans or data points rejected, at most those of the
    /// request. They are lost; the others count as stored by the front, see [`kept`](super::Front::kept).
    Partial(usize),
    /// Closes within the head of the answer, which came to `HTTP/1.1 2` or to half a HEADERS frame. Forwards
    /// nothing.
    CutHead,
    /// HTTP: forwards, answers 200 with 3 bytes of a body of 100, and closes: the head is the acknowledgement.
    /// What the receiver does not take is answered as by [`Fault::None`].
    /// gRPC: forwards nothing, answers the head, and closes where the trailers should be: none is a failure.
    CutBody,
}
