//! Why a request is sent again, what speaks against it, and what became of a failed response.

use crate::util::named_enum;

named_enum! {
    /// Why a request is to be sent again: `outbound.retry.reason`.
    pub enum RetryReason {
        /// No connection was had.
        Connect = "connect",
        /// A reused connection turned out to be dead before a byte of the request was written.
        ReusedConnection = "reused_connection",
        /// Nothing of it was sent for another reason.
        NotSent = "not_sent",
        /// The peer says that it has not processed it (HTTP/2 `REFUSED_STREAM`, `GOAWAY`).
        NotProcessed = "not_processed",
        /// A reused connection died after it was sent, and it is idempotent: only where that is asked for.
        Idempotent = "idempotent",
        /// The response's status is on the list.
        Status = "status",
        /// gRPC's `UNAVAILABLE` in a response of trailers only.
        GrpcStatus = "grpc_status",
        /// The [`RetryPolicy`](crate::retry::RetryPolicy) says so.
        Policy = "policy",
    }

    /// The name on spans and metrics.
    pub const fn as_str(self);
}

named_enum! {
    /// Why a retry that was wanted is not made: `outbound.retry.limit`.
    pub enum RetryLimit {
        /// The retries of the call are used up.
        Attempts = "attempts",
        /// Too many connects have failed at this origin.
        ConnectBudget = "connect_budget",
        /// Too many requests were sent again to this origin.
        Budget = "budget",
        /// The wait would not end before the call's deadline.
        Deadline = "deadline",
        /// The peer asks for a longer wait than is allowed, or for none at all.
        RetryAfter = "retry_after",
        /// The request's body cannot be had again, or was answered before it was handed over whole.
        Body = "body",
    }

    /// The name on spans and metrics.
    pub const fn as_str(self);
}

named_enum! {
    /// What became of a failed response before the wait: `outbound.release`.
    pub enum Release {
        /// Read to its end: an HTTP/1 connection serves others during the wait.
        Drained = "drained",
        /// Dropped before its end: an HTTP/1 connection closes.
        Closed = "closed",
        /// Dropped before its end: the HTTP/2 stream is reset, its connection serves on.
        Reset = "reset",
        /// It had no body.
        Empty = "empty",
    }

    /// The name on spans and metrics.
    pub const fn as_str(self);
}
