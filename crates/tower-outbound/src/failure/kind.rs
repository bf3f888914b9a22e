//! The documented list of error kinds.

use crate::failure::Phase;
use crate::util::named_enum;

named_enum! {
    /// The kind of an error: the values of `error.type` on spans and metrics.
    ///
    /// [`docs::failures`](crate::docs::failures) lists their causes.
    ///
    /// Source: the names of .NET's `HttpRequestError` and socket errors, as the OpenTelemetry semantic
    /// conventions for `error.type` ask (few, predictable, documented).
    pub enum Kind {
        /// The name could not be resolved.
        NameResolution = "name_resolution_error",
        /// The peer refused the connection.
        ConnectionRefused = "connection_refused",
        /// The peer reset the connection.
        ConnectionReset = "connection_reset",
        /// The connection was aborted on this side.
        ConnectionAborted = "connection_aborted",
        /// No route to the host.
        HostUnreachable = "host_unreachable",
        /// No route to the network.
        NetworkUnreachable = "network_unreachable",
        /// No local address or port to connect from.
        AddressNotAvailable = "address_not_available",
        /// The process or the system has no file descriptor left.
        TooManyOpenSockets = "too_many_open_sockets",
        /// The system forbids the connection.
        AccessDenied = "access_denied",
        /// Another failure of the connection, mostly of the connect.
        Connection = "connection_error",
        /// The proxy did not open a tunnel.
        ProxyTunnel = "proxy_tunnel_error",
        /// The proxy asks for credentials (407).
        UserAuthentication = "user_authentication_error",
        /// TLS: the handshake, a certificate, or a later alert.
        SecureConnection = "secure_connection_error",
        /// No common HTTP version (ALPN).
        VersionNegotiation = "version_negotiation_error",
        /// No slot of an in-flight limit became free in time.
        PoolTimeout = "pool_timeout",
        /// The queue of an in-flight limit was full.
        QueueFull = "queue_full",
        /// The call's deadline has passed.
        DeadlineExceeded = "deadline_exceeded",
        /// The connect timed out.
        ConnectTimeout = "connect_timeout",
        /// The connect timed out in the TLS handshake.
        TlsTimeout = "tls_timeout",
        /// The peer accepted no data of the request for too long.
        WriteTimeout = "write_timeout",
        /// No response in time.
        ResponseTimeout = "response_timeout",
        /// No data of the response's body for too long, or not the whole body in time.
        BodyTimeout = "body_timeout",
        /// The peer violated the protocol.
        Protocol = "http_protocol_error",
        /// The head of the response or the framing of its body is invalid.
        InvalidResponse = "invalid_response",
        /// The connection ended before the response did.
        ResponseEnded = "response_ended",
        /// The response, mostly its head, is larger than this side allows.
        LimitExceeded = "configuration_limit_exceeded",
        /// The peer refused the stream unprocessed (HTTP/2 `REFUSED_STREAM`).
        StreamRefused = "stream_refused",
        /// The peer reset the stream.
        StreamReset = "stream_reset",
        /// The peer is going away (HTTP/2 `GOAWAY`).
        GoAway = "goaway",
        /// The request cannot be sent as it is.
        InvalidRequest = "invalid_request",
        /// The request's own body failed.
        RequestBody = "request_body_error",
        /// Anything else.
        Other = "_OTHER",
    }

    /// The value of `error.type`.
    pub const fn as_str(self);
    pub const ALL;
}

impl Kind {
    /// The coarse class, for decisions that need no detail.
    #[must_use]
    pub const fn class(self) -> Option<Class> {
        match self {
            Self::NameResolution
            | Self::HostUnreachable
            | Self::NetworkUnreachable
            | Self::AddressNotAvailable
            | Self::TooManyOpenSockets
            | Self::AccessDenied
            | Self::Connection
            | Self::ProxyTunnel
            | Self::UserAuthentication
            | Self::SecureConnection
            | Self::VersionNegotiation
            | Self::Protocol
            | Self::InvalidResponse
            | Self::LimitExceeded => Some(Class::Network),
            Self::ConnectionRefused => Some(Class::ConnectionRefused),
            Self::ConnectionReset
            | Self::ConnectionAborted
            | Self::ResponseEnded
            | Self::StreamRefused
            | Self::StreamReset
            | Self::GoAway => Some(Class::ConnectionReset),
            Self::PoolTimeout
            | Self::DeadlineExceeded
            | Self::ConnectTimeout
            | Self::TlsTimeout
            | Self::WriteTimeout
            | Self::ResponseTimeout
            | Self::BodyTimeout => Some(Class::Timeout),
            Self::QueueFull | Self::InvalidRequest | Self::RequestBody | Self::Other => None,
        }
    }

    /// Whether the connection itself failed or ended, not only an attempt on it.
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

    /// The exact kind of a failed connect, by the phase that was running.
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

named_enum! {
    /// The coarse class of a failure.
    pub enum Class {
        /// A timeout or deadline.
        Timeout = "timeout",
        /// The peer refused the connection.
        ConnectionRefused = "connection_refused",
        /// The connection or stream was reset or closed.
        ConnectionReset = "connection_reset",
        /// Any other failure of the network.
        Network = "network_error",
    }

    /// The name of the class.
    pub const fn as_str(self);
}
