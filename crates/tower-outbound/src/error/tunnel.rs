use std::error::Error;
use std::fmt;

use http::StatusCode;

/// A proxy did not open a tunnel.
///
/// Its failure is [`Kind::ProxyTunnel`](crate::Kind::ProxyTunnel), or
/// [`Kind::UserAuthentication`](crate::Kind::UserAuthentication) for 407, in phase `tunnel`, with the
/// [status](crate::Failure::status).
#[derive(Debug)]
pub struct TunnelError(Refused);

#[derive(Debug)]
enum Refused {
    Answer(StatusCode),
    NoHttp,
    HeadTooLarge,
    NoHost,
}

impl TunnelError {
    pub(crate) const fn answer(status: StatusCode) -> Self {
        Self(Refused::Answer(status))
    }

    pub(crate) const NO_HTTP: Self = Self(Refused::NoHttp);
    pub(crate) const HEAD_TOO_LARGE: Self = Self(Refused::HeadTooLarge);
    pub(crate) const NO_HOST: Self = Self(Refused::NoHost);

    /// The status with which the proxy answered.
    #[must_use]
    pub const fn status(&self) -> Option<StatusCode> {
        match self.0 {
            Refused::Answer(status) => Some(status),
            _ => None,
        }
    }

    pub(crate) const fn lacks_host(&self) -> bool {
        matches!(self.0, Refused::NoHost)
    }
}

impl fmt::Display for TunnelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Refused::Answer(status) => write!(f, "the proxy answered CONNECT with {status}"),
            Refused::NoHttp => f.write_str("the proxy's answer to CONNECT is not HTTP/1"),
            Refused::HeadTooLarge => f.write_str("the head of the proxy's answer to CONNECT is too large"),
            Refused::NoHost => f.write_str("the URI has no host to open a tunnel to"),
        }
    }
}

impl Error for TunnelError {}
