//! The description of a failure.

use std::fmt;

use http::StatusCode;

use super::detail::Detail;
use super::{CertificateProblem, Class, DnsFailure, Kind, SendState, TlsAlert};
use crate::failure::Phase;

/// Describes the failure of an attempt or a connect: its kind, its phase, and how much of the request was sent.
///
/// [`docs::failures`](crate::docs::failures) lists the kinds, with their causes and whether the request is retried.
///
/// # Example
/// ```
/// use tower_outbound::{Class, Failure, Kind};
///
/// let error = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
/// let failure = Failure::of(&error);
/// assert_eq!(failure.kind(), Kind::ConnectionRefused);
/// assert_eq!(failure.class(), Some(Class::ConnectionRefused));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    kind: Kind,
    phase: Option<Phase>,
    os_error: Option<i32>,
    connecting: bool,
    /// The client follows redirects: the failure may be that of a later request.
    redirects: bool,
    detail: Detail,
    send: Option<SendState>,
    /// `send` is that of the attempt that the failure ended.
    of_attempt: bool,
}

impl Failure {
    pub(crate) const fn new(kind: Kind) -> Self {
        Self::found(kind, None, None, false, Detail::None, None)
    }

    pub(crate) const fn found(
        kind: Kind,
        phase: Option<Phase>,
        os_error: Option<i32>,
        connecting: bool,
        detail: Detail,
        send: Option<SendState>,
    ) -> Self {
        Self { kind, phase, os_error, connecting, redirects: false, detail, send, of_attempt: false }
    }

    /// Marks the failure of a client that follows redirects.
    pub(crate) const fn after_redirects(mut self, redirects: bool) -> Self {
        self.redirects |= redirects;
        self
    }

    /// The cause is known better than the error says.
    pub(crate) const fn with_kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// The failure occurred in this phase.
    pub(crate) const fn with_phase(mut self, phase: Phase) -> Self {
        self.phase = Some(phase);
        self
    }

    /// The failure ended a setup in this phase, if it is known. A phase that the error itself has stays.
    pub(crate) fn in_setup(mut self, running: Option<Phase>) -> Self {
        self.connecting = true;
        // A connector may send requests of its own.
        (self.send, self.of_attempt, self.redirects) = (None, false, false);
        if self.phase.is_none() {
            self.kind = self.kind.in_setup(running);
            self.phase = running;
        }
        self
    }

    /// The failure ended an attempt in this phase. A phase that the error itself has stays.
    pub(crate) fn in_attempt(mut self, phase: impl FnOnce() -> Phase) -> Self {
        if self.phase.is_none() {
            let phase = phase();
            self.kind = match (phase, self.kind) {
                (Phase::Body, Kind::ResponseTimeout) => Kind::BodyTimeout,
                // The system gave up on a peer that acknowledges nothing.
                (Phase::Send, Kind::ResponseTimeout) if self.os_error.is_some() => Kind::WriteTimeout,
                (_, kind) => kind,
            };
            self.phase = Some(phase);
        }
        self
    }

    /// What the error itself proves about the sending of the request. `untouched`: a client that follows redirects has
    /// certainly not begun to send it. `first`: that client has followed none.
    pub(crate) fn send_evidence(&self, untouched: bool, first: bool) -> Option<SendState> {
        // The failure of another attempt proves nothing about this one.
        let not_sent = self.connecting.then_some(SendState::NotSent);
        let evidence = if self.of_attempt { None } else { self.send.or(not_sent) };
        // A redirect comes after a response, and the client takes the body before that: only until then the error
        // proves something about this request.
        // Without a redirect, the peer's statement is about this request too.
        evidence.filter(|state| !self.redirects || untouched || (first && *state == SendState::NotProcessed))
    }

    /// The failure ended an attempt, of whose request this much was sent.
    pub(crate) fn attributed(mut self, send: SendState) -> Self {
        self.send = Some(send);
        self.of_attempt = true;
        self
    }

    /// The request was refused on this side, before any connection.
    pub(crate) const fn unsent(mut self) -> Self {
        self.send = Some(SendState::NotSent);
        self
    }

    /// The kind of the error.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The coarse class; `None` if the network was not involved, if the failure is a response, or if the error is not known.
    #[must_use]
    pub const fn class(&self) -> Option<Class> {
        match self.detail {
            Detail::Dns(DnsFailure::TryAgain) => Some(Class::Timeout),
            Detail::Status(_) | Detail::Grpc { answered: true, .. } => None,
            _ => self.kind.class(),
        }
    }

    /// The phase of the failure, if it is known.
    #[must_use]
    pub const fn phase(&self) -> Option<Phase> {
        self.phase
    }

    /// The error number of the operating system, if there is one.
    #[must_use]
    pub const fn os_error(&self) -> Option<i32> {
        self.os_error
    }

    /// Whether a timeout or deadline elapsed, of any layer or of the system.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        self.class() == Some(Class::Timeout)
    }

    /// Whether the connection could not be made, so that nothing of the request was sent.
    ///
    /// `false` also if this is not known.
    #[must_use]
    pub const fn is_connect(&self) -> bool {
        self.connecting
    }

    /// How much of the request was sent.
    ///
    /// The failure of an [`Attempt`](crate::Attempt) always has a send state. Otherwise it is `None` unless the error itself
    /// proves it. reqwest's errors prove nothing: the failed request may be a redirected one, sent after a response.
    #[must_use]
    pub const fn send_state(&self) -> Option<SendState> {
        if self.redirects && !self.of_attempt { None } else { self.send }
    }

    /// Whether the name could not be resolved. [`dns`](Self::dns) returns the reason.
    #[must_use]
    pub const fn is_dns(&self) -> bool {
        matches!(self.kind, Kind::NameResolution)
    }

    /// Whether TLS failed: its handshake, a certificate, ALPN, its timeout, or a later alert.
    #[must_use]
    pub const fn is_tls(&self) -> bool {
        matches!(self.kind, Kind::SecureConnection | Kind::VersionNegotiation | Kind::TlsTimeout)
    }

    /// Why the name could not be resolved, if the resolver gives a reason by a
    /// [`ResolveError`](crate::connect::ResolveError).
    #[must_use]
    pub const fn dns(&self) -> Option<DnsFailure> {
        match self.detail {
            Detail::Dns(failure) => Some(failure),
            _ => None,
        }
    }

    /// The alert that ended TLS: the peer's, or that of this side for a rejected certificate.
    #[must_use]
    pub const fn tls_alert(&self) -> Option<TlsAlert> {
        match self.detail {
            Detail::Alert(alert) | Detail::Certificate(_, alert) => Some(alert),
            _ => None,
        }
    }

    /// Why this side rejected the peer's certificate.
    #[must_use]
    pub const fn certificate(&self) -> Option<CertificateProblem> {
        match self.detail {
            Detail::Certificate(problem, _) => Some(problem),
            _ => None,
        }
    }

    /// Whether TLS is missing, which neither the peer nor the network has caused.
    pub(crate) const fn lacks_tls(&self) -> bool {
        matches!(self.detail, Detail::NoTls)
    }

    /// Whether the client has lost the request.
    pub(crate) const fn is_lost(&self) -> bool {
        matches!(self.detail, Detail::Lost)
    }

    /// The request waited for a connection that others use.
    pub(crate) const fn queued(mut self) -> Self {
        self.detail = Detail::Queued;
        self
    }

    pub(crate) const fn is_queued(&self) -> bool {
        matches!(self.detail, Detail::Queued)
    }

    /// Whether a proxy refused the tunnel for a reason that a retry does not change: 4xx, but not a timeout or a limit.
    pub(crate) const fn is_refused_by_proxy(&self) -> bool {
        matches!(self.detail, Detail::ProxyStatus(status @ 400..=499) if status != 408 && status != 429)
    }

    /// The status of a response that the client turned into an error (reqwest's `error_for_status`), or with which a
    /// proxy refused a tunnel.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        match self.detail {
            Detail::Status(status) | Detail::ProxyStatus(status) => StatusCode::from_u16(status).ok(),
            _ => None,
        }
    }

    /// The gRPC status code (0 to 16). Without a [class](Self::class) it is the peer's answer, otherwise the client made it
    /// from the failure.
    #[must_use]
    pub const fn grpc_code(&self) -> Option<i32> {
        match self.detail {
            Detail::Grpc { code, .. } => Some(code),
            _ => None,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.phase {
            Some(phase) => write!(f, "{} in phase {phase}", self.kind),
            None => write!(f, "{}", self.kind),
        }
    }
}
