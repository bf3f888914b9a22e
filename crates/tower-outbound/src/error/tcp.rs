use std::error::Error as StdError;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use crate::error::BoxError;
use crate::failure::{Failure, Kind, Phase};
use crate::record::AddressAttempt;

/// The number of attempts in the `Display` output; [`address_attempts`](TcpConnectError::address_attempts) has all.
const SHOWN: usize = 8;

/// An attempt that has ended.
#[derive(Debug)]
pub(crate) struct AddressEnd {
    pub(crate) attempt: AddressAttempt,
    /// The error of the system.
    pub(crate) error: Option<std::io::Error>,
}

/// A [`TcpConnector`](crate::connect::TcpConnector) failed to connect.
///
/// Its [`failure`](Self::failure) is
/// * [`Kind::ConnectTimeout`], in the phase that the timeout ended;
/// * in phase `dns`, that of the resolver; the source is the resolver's error;
/// * in phase `tcp`, that of the address that got furthest; the source is its error. The order: the host answered (refused,
///   reset); no answer in time; not tried by this host (access denied, no descriptor left); no route (unreachable, no local
///   address). Of equal ones, the first to fail counts.
///
/// `Display` prints only this level, with the addresses and the kinds of their failures.
///
/// # Example
/// ```
/// use tower::ServiceExt;
/// use tower_outbound::Kind;
/// use tower_outbound::connect::TcpConnector;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// // A port without a listener.
/// let closed = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
/// let uri: http::Uri = format!("http://{closed}/").parse().unwrap();
/// let error = TcpConnector::new().oneshot(uri).await.unwrap_err();
/// assert_eq!(error.failure().kind(), Kind::ConnectionRefused);
/// assert_eq!(error.address_attempts()[0].address, closed);
/// assert_eq!(error.to_string(), format!("no connection to {closed}: {closed} connection_refused"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct TcpConnectError(Box<Inner>);

#[derive(Debug)]
struct Inner {
    message: String,
    failure: Failure,
    attempts: Vec<AddressAttempt>,
    source: Option<BoxError>,
}

impl TcpConnectError {
    /// The classified failure.
    #[must_use]
    pub fn failure(&self) -> &Failure {
        &self.0.failure
    }

    /// The addresses that were tried, in the order in which their attempts ended; empty if the name was not resolved.
    #[must_use]
    pub fn address_attempts(&self) -> &[AddressAttempt] {
        &self.0.attempts
    }

    fn new(message: String, failure: Failure, source: Option<BoxError>) -> Self {
        Self(Box::new(Inner { message, failure, attempts: Vec::new(), source }))
    }

    pub(crate) fn bad_uri(why: &str) -> Self {
        Self::new(
            format!("cannot connect to the request's URI: {why}"),
            Failure::new(Kind::InvalidRequest),
            None,
        )
    }

    pub(crate) fn lookup(host: &str, failure: Failure, error: BoxError) -> Self {
        Self::new(format!("`{host}` could not be resolved"), failure, Some(error))
    }

    pub(crate) fn no_answer(host: &str) -> Self {
        let failure = Failure::new(Kind::NameResolution).with_phase(Phase::Dns);
        Self::new(format!("`{host}` has no address"), failure, None)
    }

    pub(crate) fn lookup_timed_out(host: &str, timeout: Duration) -> Self {
        let failure = Failure::new(Kind::ConnectTimeout).with_phase(Phase::Dns);
        Self::new(format!("`{host}` was not resolved within {timeout:?}"), failure, None)
    }

    pub(crate) fn no_local_address(host: &str) -> Self {
        let failure = Failure::new(Kind::AddressNotAvailable).with_phase(Phase::Tcp);
        Self::new(format!("`{host}` has no address of the family of `local_address`"), failure, None)
    }

    /// The timeout has elapsed.
    pub(crate) fn timed_out(authority: &str, timeout: Duration, ended: Vec<AddressEnd>) -> Self {
        let failure = Failure::new(Kind::ConnectTimeout).with_phase(Phase::Tcp);
        let mut error = Self::new(format!("no connection to {authority} within {timeout:?}"), failure, None);
        error.0.attempts = ended.into_iter().map(|ended| ended.attempt).collect();
        error
    }

    /// All addresses failed.
    pub(crate) fn all_failed(authority: &str, ended: Vec<AddressEnd>) -> Self {
        let furthest = furthest(&ended);
        let mut error = Self::new(
            format!("no connection to {authority}"),
            Failure::new(Kind::Connection).with_phase(Phase::Tcp),
            None,
        );
        for (at, ended) in ended.into_iter().enumerate() {
            if let (true, Some(failure)) = (Some(at) == furthest, ended.attempt.failure()) {
                error.0.failure = failure.clone();
                error.0.source = ended.error.map(Into::into);
            }
            error.0.attempts.push(ended.attempt);
        }
        error
    }
}

/// The attempt that got furthest, in the order of the type's documentation.
fn furthest(ended: &[AddressEnd]) -> Option<usize> {
    let got = |at: &usize| {
        ended[*at].attempt.failure().map(|failure| match failure.kind() {
            Kind::ConnectionRefused | Kind::ConnectionReset | Kind::ConnectionAborted => 3,
            Kind::ConnectTimeout => 2,
            Kind::HostUnreachable | Kind::NetworkUnreachable | Kind::AddressNotAvailable => 0,
            _ => 1,
        })
    };
    // `max_by_key` returns the last of equal ones.
    (0..ended.len()).rev().max_by_key(got)
}

impl fmt::Display for TcpConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        let tried = |attempt: &AddressAttempt| -> Option<(SocketAddr, Kind)> {
            Some((attempt.address, attempt.failure()?.kind()))
        };
        let mut attempts = self.0.attempts.iter().filter_map(tried);
        for (at, (address, kind)) in attempts.by_ref().take(SHOWN).enumerate() {
            write!(f, "{} {address} {kind}", if at == 0 { ":" } else { "," })?;
        }
        match attempts.count() {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

impl StdError for TcpConnectError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_ref().map(|source| &**source as _)
    }
}
