//! Our own errors, which were classified where they happened: each has its line here.

use super::chain::{Found, Level};
use crate::error::{
    ConnectError, NoTlsError, PhaseError, PoolTimeoutError, QueueFullError, ResolveError, TcpConnectError,
    TimeoutError,
};
use crate::failure::{Detail, Failure, Kind, Phase, SendState};

/// What an error of ours says of the whole chain.
pub(super) fn settled(error: Level<'_>) -> Option<Failure> {
    if let Some(error) = error.downcast_ref::<crate::Error>() {
        return Some(error.failure().clone());
    }
    if let Some(error) = error.downcast_ref::<TcpConnectError>() {
        return Some(error.failure().clone());
    }
    if let Some(error) = error.downcast_ref::<TimeoutError>() {
        return Some(Failure::new(error.kind().kind()));
    }
    if error.is::<PoolTimeoutError>() {
        return Some(Failure::new(Kind::PoolTimeout).with_phase(Phase::Queue).unsent());
    }
    if error.is::<QueueFullError>() {
        return Some(Failure::new(Kind::QueueFull).with_phase(Phase::Queue).unsent());
    }
    if error.is::<NoTlsError>() {
        let unsent = Some(SendState::NotSent);
        return Some(Failure::found(Kind::SecureConnection, None, None, true, Detail::NoTls, unsent));
    }
    error.downcast_ref::<ConnectError>().map(|error| error.failure().clone())
}

/// What an error of ours adds to what others say; `false` if it is none of ours.
pub(super) fn look_at(error: Level<'_>, found: &mut Found) -> bool {
    if let Some(error) = error.downcast_ref::<PhaseError>() {
        found.in_stage(error.phase());
    } else if let Some(error) = error.downcast_ref::<ResolveError>() {
        found.in_stage(Phase::Dns);
        found.detail(Detail::Dns(error.failure()));
        found.settle(Kind::NameResolution);
    } else {
        return false;
    }
    true
}
