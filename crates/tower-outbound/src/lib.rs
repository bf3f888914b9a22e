//! Tower layers for outbound HTTP: where the time goes, whether a connection was reused, why it closed.
//!
//! ```text
//!  caller
//!    │ http::Request<B>
//!  ┌─▼─ Retry ──────── sends again what was not processed; holds nothing while it waits
//!  │ ┌─▼─ Observe ──── opens the Exchange; its observers may write headers
//!  │ │ ┌─▼─ InFlight ─ a slot per origin and of the total, to the end of the response's body
//!  │ │ │ [ client: hyper-util Client or pools │ hyper conn │ tonic Channel │ reqwest ]
//!  │        ╔══════════ pool (the client's, not ours) ══════════╗
//!  │        ║ ┌─▼─ Track ─ id, uses, close reason; wraps the IO, ║
//!  │        ║ │     which reqwest does not let it                ║
//!  │        ║ │ ┌─▼─ the client's TLS connector                  ║
//!  │        ║ │ │ ┌─▼─ TcpConnector: resolver and addresses,     ║
//!  │        ║ │ │ │     or another one inside PhaseLayer::tcp    ║
//!  │        ╚══════════════════════════════════════════════════╝
//! ```
//!
//! [`Outbound`] puts them together; [`docs::clients`] has a program for each client, [`docs::failures`] tells every kind
//! of failure. The folders are the seats of this drawing: `retry`, `observe`, `in_flight`, `clients`, `track`, `phase`,
//! `tcp`; `event`, `exchange` and `connect` are the vocabulary that they share, `classify` tells errors apart.
//!
//! # Features
//!
//! | feature | what it adds |
//! | --- | --- |
//! | `tracing` (default) | the events as structured `tracing` events, and warnings about half a stack |
//! | `client` | `OutboundClient`: hyper-util's client with TLS (rustls, ring) and every layer in its place |
//! | `tonic-channel` | `Outbound::tonic`: tonic's channel with every layer in its place |
//! | `aws-lc-rs` | `TlsProvider::AwsLcRs` for that client; ring stays the default |
//! | `reqwest` | `ReqwestClient`: reqwest under every layer that it lets in, and its parts; its errors |
//! | `rustls`, `tower`, `tower-http`, `http-body-util`, `tonic` | whose errors [`Failure::of`] knows, beside those of std, tokio, h2, hyper and hyper-util |

// First for its macro.
#[macro_use]
mod exchange;

mod classify;
mod clients;
mod connect;
pub mod docs;
mod error;
mod event;
mod in_flight;
mod observe;
mod outbound;
mod phase;
mod retry;
mod tcp;
mod timer;
mod track;

pub use self::classify::{CertificateProblem, Class, DnsFailure, Failure, Kind, SendState, TlsAlert};
pub use self::clients::{
    Handshake, HandshakeFuture, HandshakeHttp1, HandshakeHttp2, HandshakeLayer, HyperFuture, HyperService,
};
#[cfg(feature = "reqwest")]
pub use self::clients::{
    ReqwestBody, ReqwestClient, ReqwestClientFuture, ReqwestConnecting, ReqwestConnector,
    ReqwestConnectorLayer, ReqwestFuture, ReqwestResolver, ReqwestService,
};
#[cfg(feature = "tonic-channel")]
pub use self::clients::{TonicBody, TonicBuilder, TonicChannel, TonicFuture};
pub use self::connect::{
    AddressAttempt, AttemptOutcome, CloseReason, Closed, ConnectError, Connection, ConnectionState, Driven,
    Origin, PhaseError, Protocol, Registry, ResolveError, Reuse, Setup, SetupPhase, TlsInfo, Use,
};
pub use self::error::{BoxError, Error, TimeLimit, TimeLimitError};
pub use self::event::{ConnectResult, Event, Observer, Outcome, RequestHead, ResponseHead, StackWarning};
pub use self::exchange::{Call, Cumulative, EndCause, Exchange, Phase, Slot, Timings, UrlTemplate};
pub use self::in_flight::{
    InFlight, InFlightBody, InFlightFuture, InFlightLimitLayer, PoolTimeoutError, QueueFullError,
};
pub use self::observe::{Observe, ObserveBody, ObserveFuture, ObserveLayer, ObserveRequestBody, TimeLimits};
#[cfg(feature = "client")]
pub use self::outbound::{
    ClientBuilder, ClientFuture, OutboundClient, RequestBody, ResponseBody, TlsProvider,
};
pub use self::outbound::{ExchangeLayer, Outbound, OutboundBuilder, OutboundLayer};
pub use self::phase::{PhaseFuture, PhaseLayer, Phased};
pub use self::retry::{
    Attempt, FailedAttempt, Lease, LeasedBody, Release, Retry, RetryBudget, RetryFuture, RetryHistory,
    RetryLayer, RetryLimit, RetryOptions, RetryPolicy, RetryReason, Unboxed, Verdict,
};
pub use self::tcp::{FirstFamily, TcpConnectError, TcpConnecting, TcpConnector, TcpIo};
/// The TLS library whose types the client's options take.
#[cfg(feature = "client")]
pub use rustls;

pub use self::track::{Track, TrackFuture, TrackLayer, TrackedIo};
