//! What exists only because a pool is not ours: which connection serves has to be found again, and a connection can
//! only be retired by tricks.

mod drive;
pub(crate) mod goaway;
mod pool_handle;
#[cfg(feature = "reqwest")]
pub(crate) mod redirect_guard;
mod silence;
#[cfg(feature = "reqwest")]
pub(crate) mod socket_pairs;

pub use self::drive::DriveConnection;
pub(crate) use self::pool_handle::Capture;
pub(crate) use self::silence::Silence;
