//! How much of a failed request was sent.

use std::fmt;

/// How much of a failed request was sent, as far as that is certain.
///
/// Any request, idempotent or not, is safe to retry after [`NotSent`](Self::NotSent) or
/// [`NotProcessed`](Self::NotProcessed).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SendState {
    /// Nothing of the request was sent, nor will be.
    NotSent,
    /// This many bytes of an incomplete request were written, including head and framing, before encryption, and no more will
    /// be (HTTP/1). 0 if the first write failed inside TLS, which may have sent a record before. If another thread was in a
    /// write when the attempt ended, this is the most that can have been written.
    Partial(u64),
    /// The whole request was written and flushed (HTTP/1).
    Sent,
    /// The peer did not process the request (HTTP/2): `REFUSED_STREAM`, or `GOAWAY` with a lower last stream id.
    NotProcessed,
    /// Unknown: on HTTP/2 once a connection has accepted the request, and on connections that are not tracked.
    Unknown,
}

impl SendState {
    /// The value of `outbound.send_state`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotSent => "not_sent",
            Self::Partial(_) => "partial",
            Self::Sent => "sent",
            Self::NotProcessed => "not_processed",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for SendState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
