//! The faults of a front.

use std::time::Duration;

/// The protocol of a front, on both sides.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FrontProtocol {
    /// HTTP/1.1, for OTLP as `http/protobuf`.
    Http,
    /// HTTP/2 by prior knowledge, for OTLP as `grpc`.
    Grpc,
}

/// What a front does to each request that it has read whole, and to each connection.
///
/// [`Refused`](Fault::Refused) and [`Silent`](Fault::Silent) close all open connections. Faults that cut a response
/// close its connection. All others leave connections open.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Fault {
    /// Forwards unchanged, also for a client that has closed. Answers 502 or UNAVAILABLE if the upstream is down.
    #[default]
    None,
    /// Closes the port and the open connections.
    Refused,
    /// Closes the open connections and accepts none. New connections wait in the backlog; they are served when another
    /// fault is set.
    Silent,
    /// Reads requests and never answers.
    Hanging,
    /// Forwards after this much real time, also for a client that has closed meanwhile.
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
    /// Forwards all but so many spans or data points, and answers success with these as rejected. An error of the
    /// receiver is forwarded as by [`Fault::None`].
    Partial(usize),
    /// Forwards nothing, and closes within the response's head: after `HTTP/1.1 2`, or half a HEADERS frame.
    CutHead,
    /// HTTP: forwards, answers 200 with 3 bytes of a body of 100, and closes: the head is the acknowledgement.
    /// An error of the receiver is forwarded as by [`Fault::None`].
    /// gRPC: forwards nothing, sends the head, and closes before the trailers, which is a failure.
    CutBody,
}
