//! What exists only because a pool is not ours: the serving connection has to be found again, and a connection can only be
//! retired by a trick.
//!
//! | who | uses |
//! | --- | --- |
//! | observe, before the client | [`request_capture`]: a handle on hyper-util's pool; [`HandOffBody`]: the request finds its connection |
//! | the IO of a tracked connection | [`take_handed_off`]: whose request is written; [`GoAwayInjection`]: the client leaves a silent connection |
//! | hyper, tonic | [`DriveConnection`]: an HTTP/2 request finds its connection |
//! | reqwest | `RedirectGuardBody`, `SocketPairs`: a client that follows redirects and does not show its connections |

mod capture;
mod drive;
mod goaway;
mod hand_off;
#[cfg(feature = "reqwest")]
mod redirect_guard;
#[cfg(feature = "reqwest")]
mod socket_pairs;

pub(crate) use self::capture::request_capture;
pub use self::drive::DriveConnection;
#[cfg(feature = "tonic-channel")]
pub(crate) use self::drive::driven_connection;
pub(crate) use self::goaway::{GoAwayInjection, LastStream, silent_error};
pub(crate) use self::hand_off::{HandOffBody, take_handed_off};
#[cfg(feature = "reqwest")]
pub(crate) use self::redirect_guard::RedirectGuardBody;
#[cfg(feature = "reqwest")]
pub(crate) use self::socket_pairs::{SocketPairs, pair, pair_of};
