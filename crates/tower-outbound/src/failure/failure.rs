//! What is known of a failure.

use std::fmt;

use http::StatusCode;

use super::detail::Detail;
use super::{CertificateProblem, Class, DnsFailure, Kind, SendState, TlsAlert};
use crate::failure::Phase;

/// What is known of a failed attempt or setup: its kind, the phase it happened in, whether its request has
/// gone out.
///
/// [`docs::failures`](crate::docs::failures) tells each kind: where it is seen, what causes it, and whether
/// its request may be sent again.
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
    /// It may be that of a later request than the one that was to be sent.
    redirects: bool,
    detail: Detail,
    send: Option<SendState>,
    /// The attempt that it ended has been asked what was sent.
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

    /// Whether it has come through a client that follows redirects.
    pub(crate) const fn after_redirects(mut self, redirects: bool) -> Self {
        self.redirects |= redirects;
        self
    }

    pub(crate) const fn with_phase(mut self, phase: Phase) -> Self {
        self.phase = Some(phase);
        self
    }

    /// It ended a setup, in the stage that was running, if that is known; what the stage itself has said
    /// stays.
    pub(crate) fn in_setup(mut self, running: Option<Phase>) -> Self {
        self.connecting = true;
        // A connector may well send requests of its own.
        (self.send, self.of_attempt, self.redirects) = (None, false, false);
        if self.phase.is_none() {
            self.kind = self.kind.in_setup(running);
            self.phase = running;
        }
        self
    }

    /// It ended an attempt in this phase; what the error itself has said stays.
    pub(crate) fn in_attempt(mut self, phase: impl FnOnce() -> Phase) -> Self {
        if self.phase.is_none() {
            let phase = phase();
            self.kind = match (phase, self.kind) {
                (Phase::Body, Kind::ResponseTimeout) => Kind::BodyTimeout,
                // The system has given up on a peer that acknowledges nothing.
                (Phase::Send, Kind::ResponseTimeout) if self.os_error.is_some() => Kind::WriteTimeout,
                (_, kind) => kind,
            };
            self.phase = Some(phase);
        }
        self
    }

    /// What the error itself proves about the sending of the request. `untouched`: a client that follows redirects has
    /// certainly not begun to send it.
    pub(crate) fn send_evidence(&self, untouched: bool) -> Option<SendState> {
        // The failure of another attempt proves nothing about this one.
        let not_sent = self.connecting.then_some(SendState::NotSent);
        let evidence = if self.of_attempt { None } else { self.send.or(not_sent) };
        // A redirect comes after a response, and the client takes the body before that: only until then the error
        // proves something about this request.
        evidence.filter(|_| !self.redirects || untouched)
    }

    /// The failure ended an attempt, of whose request this much was sent.
    pub(crate) fn attributed(mut self, send: SendState) -> Self {
        self.send = Some(send);
        self.of_attempt = true;
        self
    }

    /// It was refused on this side, before any connection.
    pub(crate) const fn unsent(mut self) -> Self {
        self.send = Some(SendState::NotSent);
        self
    }

    /// What kind of error it was.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The coarse class; `None` where the network had no part in it, or where it was an answer.
    #[must_use]
    pub const fn class(&self) -> Option<Class> {
        match self.detail {
            Detail::Dns(DnsFailure::TryAgain) => Some(Class::Timeout),
            Detail::Status(_) | Detail::Grpc { answered: true, .. } => None,
            _ => self.kind.class(),
        }
    }

    /// In which phase it happened, where that is known.
    #[must_use]
    pub const fn phase(&self) -> Option<Phase> {
        self.phase
    }

    /// The operating system's error number, where there was one.
    #[must_use]
    pub const fn os_error(&self) -> Option<i32> {
        self.os_error
    }

    /// Whether a timeout or deadline has passed, whoever had set it.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        self.class() == Some(Class::Timeout)
    }

    /// Whether the connection could not be made, so that nothing of the request was sent.
    ///
    /// `false` also where that is not known.
    #[must_use]
    pub const fn is_connect(&self) -> bool {
        self.connecting
    }

    /// How much of the request has gone out.
    ///
    /// `None` where no attempt has failed and the error by itself proves nothing. The failure of an
    /// [`Attempt`](crate::Attempt) always has one. reqwest's errors prove nothing: they may be of a request to which redirects have
    /// led, and the one before was answered.
    #[must_use]
    pub const fn send_state(&self) -> Option<SendState> {
        if self.redirects && !self.of_attempt { None } else { self.send }
    }

    /// Whether the name could not be resolved; [`dns`](Self::dns) says why where the resolver tells.
    #[must_use]
    pub const fn is_dns(&self) -> bool {
        matches!(self.kind, Kind::NameResolution)
    }

    /// Whether TLS has failed: its handshake, a certificate, ALPN, its timeout, or an alert later on.
    #[must_use]
    pub const fn is_tls(&self) -> bool {
        matches!(self.kind, Kind::SecureConnection | Kind::VersionNegotiation | Kind::TlsTimeout)
    }

    /// Why the name could not be resolved, where the resolver tells: see
    /// [`ResolveError`](crate::connect::ResolveError).
    #[must_use]
    pub const fn dns(&self) -> Option<DnsFailure> {
        match self.detail {
            Detail::Dns(failure) => Some(failure),
            _ => None,
        }
    }

    /// The alert that ended TLS: the peer's, or the one that refused the peer's certificate.
    #[must_use]
    pub const fn tls_alert(&self) -> Option<TlsAlert> {
        match self.detail {
            Detail::Alert(alert) | Detail::Certificate(_, alert) => Some(alert),
            _ => None,
        }
    }

    /// Why this side has refused the peer's certificate.
    #[must_use]
    pub const fn certificate(&self) -> Option<CertificateProblem> {
        match self.detail {
            Detail::Certificate(problem, _) => Some(problem),
            _ => None,
        }
    }

    /// Whether there was no TLS where it was due: not the peer's doing, nor the network's.
    pub(crate) const fn lacks_tls(&self) -> bool {
        matches!(self.detail, Detail::NoTls)
    }

    /// The status of a response that a client has made into an error (reqwest's `error_for_status`).
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        match self.detail {
            Detail::Status(status) => StatusCode::from_u16(status).ok(),
            _ => None,
        }
    }

    /// The code of a gRPC status (0 to 16): the peer's answer where there is no class, otherwise what the
    /// client has made of the failure.
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
