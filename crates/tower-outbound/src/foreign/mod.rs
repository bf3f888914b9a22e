//! Support for pools of other crates, which do not report the serving connection and cannot remove a connection.
//!
//! | user | item | purpose |
//! | --- | --- | --- |
//! | observe | [`request_capture`] | a handle on the connection that hyper-util's pool picks |
//! | observe | [`HandOffBody`] | hands a request to the connection that writes it |
//! | track | [`take_handed_off`] | the attempt whose request is written next |
//! | track | [`GoAwayInjection`] | makes the client leave a silent HTTP/2 connection |
//! | hyper, tonic | [`DriveConnection`] | gives an HTTP/2 request its connection |
//! | track, client | [`DriveExecutor`] | the same for a client that spawns the tasks of its connections |
//! | pool, track, client | [`UploadTask`] | ends the upload of an HTTP/2 request after its attempt |
//! | reqwest | `RedirectGuardBody`, `SocketPairs` | for a client that follows redirects and hides its connections |
//!
//! `tests/direction` lists the files that may use this folder.

mod capture;
mod drive;
mod executor;
mod goaway;
mod hand_off;
#[cfg(feature = "reqwest")]
mod redirect_guard;
#[cfg(feature = "reqwest")]
mod socket_pairs;
mod upload;

pub(crate) use self::capture::request_capture;
pub use self::drive::DriveConnection;
#[cfg(feature = "tonic-channel")]
pub(crate) use self::drive::driven_connection;
pub use self::executor::DriveExecutor;
pub(crate) use self::executor::{ExecutorId, announce_tasks};
pub(crate) use self::goaway::{GoAwayInjection, LastStream, silent_error};
pub(crate) use self::hand_off::{HandOffBody, take_handed_off};
#[cfg(feature = "reqwest")]
pub(crate) use self::redirect_guard::RedirectGuardBody;
#[cfg(feature = "reqwest")]
pub(crate) use self::socket_pairs::{SocketPairs, pair, pair_of};
pub(crate) use self::upload::UploadTask;
