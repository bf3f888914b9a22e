//! The documented list of error kinds.

use std::fmt;

use crate::failure::Phase;

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal, $class:expr;)+) => {
        /// What kind of error it was: the values of `error.type` on spans and metrics.
        ///
        /// [`docs::failures`](crate::docs::failures) tells what causes each.
        ///
        /// Source: the names of .NET's `HttpRequestError` and socket errors, as the OpenTelemetry semantic
        /// conventions for `error.type` ask (few, predictable, documented).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Kind {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Kind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The value of `error.type`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The coarse class, for decisions that need no more.
            #[must_use]
            pub const fn class(self) -> Option<Class> {
                match self { $(Self::$variant => $class,)+ }
            }
        }
    };
}

kinds! {
    /// The name could not be resolved.
    NameResolution = "name_resolution_error", Some(Class::Network);
    /// The peer refused the connection.
    ConnectionRefused = "connection_refused", Some(Class::ConnectionRefused);
    /// The peer reset the connection.
    ConnectionReset = "connection_reset", Some(Class::ConnectionReset);
    /// The connection was aborted on this side.
    ConnectionAborted = "connection_aborted", Some(Class::ConnectionReset);
    /// No route to the host.
    HostUnreachable = "host_unreachable", Some(Class::Network);
    /// No route to the network.
    NetworkUnreachable = "network_unreachable", Some(Class::Network);
    /// No local address or port to connect from.
    AddressNotAvailable = "address_not_available", Some(Class::Network);
    /// The process or the system has no descriptor left.
    TooManyOpenSockets = "too_many_open_sockets", Some(Class::Network);
    /// The system forbids the connection.
    AccessDenied = "access_denied", Some(Class::Network);
    /// Another failure of the connection, mostly of making it.
    Connection = "connection_error", Some(Class::Network);
    /// The proxy made no tunnel.
    ProxyTunnel = "proxy_tunnel_error", Some(Class::Network);
    /// The proxy asks for credentials (407).
    UserAuthentication = "user_authentication_error", Some(Class::Network);
    /// TLS: the handshake, a certificate, or an alert later on.
    SecureConnection = "secure_connection_error", Some(Class::Network);
    /// The two sides have no HTTP version in common (ALPN).
    VersionNegotiation = "version_negotiation_error", Some(Class::Network);
    /// No slot or connection of our own limits became free in time.
    PoolTimeout = "pool_timeout", Some(Class::Timeout);
    /// The queue in front of a limit was full.
    QueueFull = "queue_full", None;
    /// The call's deadline has passed.
    DeadlineExceeded = "deadline_exceeded", Some(Class::Timeout);
    /// The connect took longer than it may.
    ConnectTimeout = "connect_timeout", Some(Class::Timeout);
    /// The connect took longer than it may, and was in the TLS handshake.
    TlsTimeout = "tls_timeout", Some(Class::Timeout);
    /// The peer took nothing of the request for too long.
    WriteTimeout = "write_timeout", Some(Class::Timeout);
    /// No first response byte in time.
    ResponseTimeout = "response_timeout", Some(Class::Timeout);
    /// No part of the response's body for too long, or not the whole in time.
    BodyTimeout = "body_timeout", Some(Class::Timeout);
    /// The peer broke the protocol.
    Protocol = "http_protocol_error", Some(Class::Network);
    /// The response is not well-formed HTTP: its head, or the framing of its body.
    InvalidResponse = "invalid_response", Some(Class::Network);
    /// The connection ended before the response did.
    ResponseEnded = "response_ended", Some(Class::ConnectionReset);
    /// The response is larger than this side allows: mostly its head.
    LimitExceeded = "configuration_limit_exceeded", Some(Class::Network);
    /// The peer refused the stream unprocessed (HTTP/2 `REFUSED_STREAM`).
    StreamRefused = "stream_refused", Some(Class::ConnectionReset);
    /// The peer reset the stream.
    StreamReset = "stream_reset", Some(Class::ConnectionReset);
    /// The peer is going away (HTTP/2 `GOAWAY`).
    GoAway = "goaway", Some(Class::ConnectionReset);
    /// The request cannot be sent as it is.
    InvalidRequest = "invalid_request", None;
    /// The request's own body failed.
    RequestBody = "request_body_error", None;
    /// Anything else.
    Other = "_OTHER", Some(Class::Network);
}

impl Kind {
    /// What a kind that was seen from outside was, given the stage of the connect that was running.
    /// Whether the connection itself has failed or ended, and not an attempt on it alone.
    pub(crate) const fn is_of_connection(self) -> bool {
        matches!(
            self,
            Self::Connection
                | Self::ConnectionReset
                | Self::ConnectionAborted
                | Self::ResponseEnded
                | Self::SecureConnection
        )
    }

    pub(crate) const fn in_setup(self, stage: Option<Phase>) -> Self {
        match (stage, self) {
            (Some(Phase::Tls), Self::ResponseTimeout) => Self::TlsTimeout,
            (_, Self::ResponseTimeout) => Self::ConnectTimeout,
            (Some(Phase::Dns), Self::Connection | Self::Other) => Self::NameResolution,
            (Some(Phase::Tunnel), Self::Connection | Self::Other | Self::ResponseEnded) => Self::ProxyTunnel,
            (Some(Phase::Tls), Self::Connection | Self::Other | Self::ResponseEnded) => {
                Self::SecureConnection
            }
            (_, Self::Other) => Self::Connection,
            (_, kind) => kind,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The coarse class of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Class {
    /// A timeout or deadline.
    Timeout,
    /// The peer refused the connection.
    ConnectionRefused,
    /// The connection or stream was cut.
    ConnectionReset,
    /// Any other failure of the network.
    Network,
}

impl Class {
    /// The class's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::ConnectionRefused => "connection_refused",
            Self::ConnectionReset => "connection_reset",
            Self::Network => "network_error",
        }
    }
}
