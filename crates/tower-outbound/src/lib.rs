//! Tower layers for HTTP clients.
//!
//! For each request they record whether its connection was reused, how long each phase took (DNS, TCP, TLS, the wait for
//! the response, its body), how much of the request was sent if it failed, and why connections close. A retry layer sends
//! a request again that the server provably did not process.
//!
//! # Example
//!
//! ```no_run
//! # #[cfg(feature = "client")]
//! # async fn run() -> Result<(), tower_outbound::Error> {
//! use tower_outbound::{Outbound, ResponseExt as _};
//!
//! let client = Outbound::new().client(); // feature `client`
//! let response = client.get("https://example.com/").await?;
//! if let Some(timings) = response.timings() {
//!     println!("{timings}");
//! }
//! let text = response.into_body().text().await?;
//! # Ok(())
//! # }
//! ```
//!
//! [`docs::clients`] has a program for hyper-util, hyper, tonic and reqwest; [`docs::failures`] lists every kind of failure.
//!
//! # The stack
//!
//! ```text
//!  caller
//!    │ http::Request<B>
//!  ┌─▼─ Retry ─────────── sends an unprocessed request again; holds nothing during the backoff
//!  │ ┌─▼─ Observe ─────── starts and ends the Attempt; observers may write headers
//!  │ │ ┌─▼─ InFlightLimit ─ a slot per origin and in total, until the end of the response's body
//!  │ │ │ [ client: our Pool │ hyper-util Client │ hyper conn │ tonic Channel │ reqwest ]
//!  │        ╔══════════ the client's pool ══════════════════════════╗
//!  │        ║ ┌─▼─ Track ───── id, uses, close reason; wraps the IO  ║
//!  │        ║ │                (not for reqwest)                     ║
//!  │        ║ │ ┌─▼─ the client's TLS connector                      ║
//!  │        ║ │ │ ┌─▼─ TcpConnector: resolver and addresses,         ║
//!  │        ║ │ │ │     or another connector inside of a PhaseLayer  ║
//!  │        ╚═══════════════════════════════════════════════════════╝
//! ```
//!
//! [`Outbound`] creates these layers and holds their shared state. The traits [`RequestExt`] and [`ResponseExt`] set the
//! options of one request and read the record of one response.
//!
//! # Modules
//!
//! A module may use the modules in the rows above its own row, and no others. `tests/direction` checks that. The folders
//! `record`, `timer` and `util` are private.
//!
//! | modules | content |
//! | --- | --- |
//! | private: `util`, `timer` | helpers; the shared timers |
//! | `settings` | every option with its default; from files and the environment |
//! | [`failure`] | the kind, phase and send state of a failure |
//! | folder `record`: [`attempt`], [`event`] | the records: call, attempt, connection, origin; events and observers |
//! | private: `error` | [`Error`] and the errors of the layers |
//! | private: `classify` | [`Failure::of`], which knows the errors of other crates |
//! | [`timeouts`] | the timeouts of an attempt and of a connect |
//! | private: `foreign` | what exists only because the pool belongs to another crate |
//! | [`retry`], [`observe`], [`limit`], [`deadline`], [`fixed_body`], [`connect`] | a layer each, which do not know each other; `connect` has those below the pool |
//! | [`operation`] | named steps of any protocol under one deadline |
//! | [`reload`] | a client that is replaced while it is in use |
//! | [`pool`] | a client with a pool of its own, below the layers |
//! | [`outbound`] | the handle, its builder, and the order of the layers |
//! | `client` | `OutboundClient` |
//! | [`hyper`], `reqwest`, `tonic` | hyper's connections as services; the adapters of other clients |
//!
//! # Features
//!
//! A feature adds API, or errors that [`Failure::of`] recognises.
//!
//! | feature | adds |
//! | --- | --- |
//! | `tracing` (default) | events as structured `tracing` events, and warnings about an incomplete stack |
//! | `client` | `OutboundClient`: the [`pool`] with TLS (rustls, ring) and every layer |
//! | `settings` | `settings`: options from the environment and a TOML file, and their change while the service runs |
//! | `watch` | `Outbound::reload_on_change`: reads the settings again when their file changes |
//! | `serde` | [`operation::Report`] serialises |
//! | `json` | `json()` on the response's body of each client |
//! | `aws-lc-rs` | `TlsProvider::AwsLcRs` for that client; ring stays the default |
//! | `tonic-channel` | `Outbound::tonic`: tonic's channel with every layer |
//! | `reqwest` | `Outbound::reqwest`: reqwest with every layer that it supports; its errors |
//! | `rustls`, `tower`, `tower-http`, `http-body-util`, `tonic` | the errors of these crates in [`Failure::of`] |
//!
//! Without the features `rustls` and `tower`, [`Failure::of`] recognises the errors of rustls 0.23 and tower 0.5 by their
//! messages.
//!
//! # Stability
//!
//! This crate follows semantic versioning, with one exception: an item behind the features `client`, `reqwest`, `tonic`
//! or `tonic-channel` whose signature names a type of hyper-rustls, rustls, reqwest or tonic follows the major version of
//! that crate. A new major version of one of them may come in a minor version of this crate. The other types of other
//! crates in signatures are those of http, http-body, bytes, tower-layer, tower-service, hyper, hyper-util and tokio.
//!
//! Messages of errors, and the `Display` of records such as [`Timings`], are for people and may change in any version.

#![cfg_attr(docsrs, feature(doc_cfg), doc(auto_cfg = false))]

// First for its macro.
#[macro_use]
mod record;

/// The records of a call and of its attempts.
pub mod attempt {
    pub use crate::record::{Attempt, Call, Cumulative, NoPropagation, Timings, UrlTemplate};
}

mod classify;
#[cfg(any(feature = "client", feature = "reqwest", feature = "tonic-channel"))]
pub mod client;
pub mod connect;
pub mod deadline;
pub mod docs;
mod error;
mod ext;
pub mod failure;
pub mod fixed_body;
mod foreign;
pub mod hyper;
pub mod limit;
pub mod observe;
pub mod operation;
pub mod outbound;
pub mod pool;
pub mod reload;
#[cfg(feature = "reqwest")]
#[cfg_attr(docsrs, doc(cfg(feature = "reqwest")))]
pub mod reqwest;
pub mod retry;
#[cfg(not(feature = "settings"))]
mod settings;
#[cfg(feature = "settings")]
#[cfg_attr(docsrs, doc(cfg(feature = "settings")))]
pub mod settings;
pub mod timeouts;
mod timer;
#[cfg(feature = "tonic-channel")]
#[cfg_attr(docsrs, doc(cfg(feature = "tonic-channel")))]
pub mod tonic;
mod util;

#[cfg(feature = "client")]
#[cfg_attr(docsrs, doc(cfg(feature = "client")))]
#[doc(inline)]
pub use self::client::OutboundClient;
pub use self::error::{BoxError, Error};
#[doc(inline)]
pub use self::event::{Event, Observer, Outcome};
pub use self::ext::{RequestExt, ResponseExt};
#[doc(inline)]
pub use self::failure::{Class, Failure, Kind, Phase, SendState};
#[doc(inline)]
pub use self::outbound::{Outbound, Stack, StackBody};
pub use self::record::event;
pub use self::record::{Attempt, Call, Connection, Deadline, Origin, Reuse, Timings, UrlTemplate};
