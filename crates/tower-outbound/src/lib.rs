//! Tower layers for outbound HTTP: where the time goes, whether a connection was reused, why it closed.
//!
//! ```text
//!  caller
//!    │ http::Request<B>
//!  ┌─▼─ Retry ──────── sends again what was not processed; holds nothing while it waits
//!  │ ┌─▼─ Observe ──── opens the Attempt; its observers may write headers
//!  │ │ ┌─▼─ InFlightLimit ─ a slot per origin and of the total, to the end of the response's body
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
//! `tcp`; `event`, `attempt` and `connect` are the vocabulary that they share, `classify` tells errors apart.
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

#![cfg_attr(docsrs, feature(doc_cfg))]

// First for its macro.
#[macro_use]
mod record;

/// The call, its attempts, and what is known of each.
pub mod attempt {
    pub use crate::record::{Attempt, Call, Cumulative, NoPropagation, Timings, UrlTemplate};
}

mod classify;
#[cfg(any(feature = "client", feature = "reqwest", feature = "tonic-channel"))]
#[cfg_attr(docsrs, doc(cfg(any(feature = "client", feature = "reqwest", feature = "tonic-channel"))))]
pub mod client;
pub mod connect;
pub mod docs;
mod error;
mod ext;
pub mod failure;
mod foreign;
pub mod hyper;
pub mod limit;
pub mod observe;
pub mod outbound;
#[cfg(feature = "reqwest")]
pub mod reqwest;
pub mod retry;
mod settings;
pub mod timeouts;
mod timer;
#[cfg(feature = "tonic-channel")]
pub mod tonic;
mod util;

#[cfg(feature = "client")]
#[doc(inline)]
pub use self::client::OutboundClient;
pub use self::error::{BoxError, Error};
#[doc(inline)]
pub use self::event::{Event, Observer, Outcome};
pub use self::ext::{RequestExt, ResponseExt};
#[doc(inline)]
pub use self::failure::{Class, Failure, Kind, Phase, SendState};
#[doc(inline)]
pub use self::outbound::Outbound;
pub use self::record::event;
pub use self::record::{Attempt, Call, Connection, Origin, Reuse, Timings, UrlTemplate};
