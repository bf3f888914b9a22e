//! How much of a failed request has gone out.

use std::fmt;

/// How much of a failed request has gone out, as far as that is certain: never a guess.
///
/// A request is safe to send again, whatever it asks for, where it was [`NotSent`](Self::NotSent) or
/// [`NotProcessed`](Self::NotProcessed).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SendState {
    /// Nothing of it has left this process, nor will it.
    NotSent,
    /// So many bytes of it were written, head and framing included and above TLS, and it was not whole
    /// (HTTP/1). 0 where the first write has failed: TLS may have sent a record before that.
    Partial(u64),
    /// All of it was written and flushed (HTTP/1).
    Sent,
    /// The peer says that it has not processed it (HTTP/2): `REFUSED_STREAM`, or `GOAWAY` with a lower last
    /// stream id.
    NotProcessed,
    /// Nobody can tell: on HTTP/2 once a connection has taken the request, and on connections that are not
    /// tracked unless there was none.
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
