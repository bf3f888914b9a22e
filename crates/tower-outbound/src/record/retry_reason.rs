//! Why a request is retried, which limit prevents a retry, and how a failed response is released.

use crate::util::named_enum;

named_enum! {
    /// Why a request is retried: `outbound.retry.reason`.
    pub enum RetryReason {
        /// The connect failed.
        Connect = "connect",
        /// A reused connection was dead before a byte of the request was written.
        ReusedConnection = "reused_connection",
        /// Nothing of the request was sent, for another reason.
        NotSent = "not_sent",
        /// The peer did not process the request (HTTP/2 `REFUSED_STREAM`, `GOAWAY`).
        NotProcessed = "not_processed",
        /// A reused connection died after an idempotent request was sent. Off by default.
        Idempotent = "idempotent",
        /// The status of the response is on the configured list.
        Status = "status",
        /// gRPC's `UNAVAILABLE` in a trailers-only response.
        GrpcStatus = "grpc_status",
        /// The [`RetryPolicy`](crate::retry::RetryPolicy) decided it.
        Policy = "policy",
    }

    /// The name on spans and metrics.
    pub const fn as_str(self);
    pub const ALL;
}

named_enum! {
    /// The limit that prevents a retry: `outbound.retry.limit`.
    pub enum RetryLimit {
        /// The call has no retries left.
        Attempts = "attempts",
        /// The budget for failed connects to the origin is exhausted, or the call's connects have taken one connect timeout and
        /// a half.
        ConnectBudget = "connect_budget",
        /// The retry budget of the origin is exhausted.
        Budget = "budget",
        /// The wait would end after the call's deadline.
        Deadline = "deadline",
        /// The peer asks for a longer wait than allowed, or for no retry.
        RetryAfter = "retry_after",
        /// The request body cannot be replayed, or the response came before the whole body was sent.
        Body = "body",
    }

    /// The name on spans and metrics.
    pub const fn as_str(self);
    pub const ALL;
}

named_enum! {
    /// How a failed response was released before the wait: `outbound.release`.
    pub enum Release {
        /// Read to its end: an HTTP/1 connection can serve other requests during the wait.
        Drained = "drained",
        /// Dropped before its end: an HTTP/1 connection closes.
        Closed = "closed",
        /// Dropped before its end: the HTTP/2 stream is reset, the connection stays open.
        Reset = "reset",
        /// The response had no body.
        Empty = "empty",
    }

    /// The name on spans and metrics.
    pub const fn as_str(self);
    pub const ALL;
}
