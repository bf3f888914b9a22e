//! The errors of this crate, which are classified where they occur.

use http::StatusCode;

use super::evidence::{Evidence, Level};
use crate::error::{
    ConnectError, ConnectionEndedError, DeadlineElapsed, LostRequestError, NoTlsError, PhaseError,
    PoolConnectError, PoolTimeoutError, QueueFullError, ResolveError, SendError, StepError, TcpConnectError,
    TimeoutError, TunnelError,
};
use crate::failure::{Detail, Failure, Kind, Phase, SendState};

/// The failure of the whole chain, if this level is an error of this crate that decides.
pub(super) fn failure_of(error: Level<'_>) -> Option<Failure> {
    if let Some(error) = error.downcast_ref::<crate::Error>() {
        return Some(error.failure().clone());
    }
    if let Some(error) = error.downcast_ref::<TcpConnectError>() {
        return Some(error.failure().clone());
    }
    if let Some(error) = error.downcast_ref::<DeadlineElapsed>() {
        let failure = Failure::new(Kind::DeadlineExceeded);
        let failure = error.phase().map_or(failure.clone(), |phase| failure.with_phase(phase));
        return Some(if error.had_passed() { failure.unsent() } else { failure });
    }
    if let Some(error) = error.downcast_ref::<TimeoutError>() {
        return Some(Failure::new(error.kind().kind()));
    }
    if let Some(error) = error.downcast_ref::<TunnelError>() {
        return Some(tunnel(error));
    }
    if let Some(error) = error.downcast_ref::<PoolTimeoutError>() {
        return Some(Failure::new(Kind::PoolTimeout).with_phase(error.phase()).unsent());
    }
    if let Some(error) = error.downcast_ref::<QueueFullError>() {
        return Some(Failure::new(Kind::QueueFull).with_phase(error.phase()).unsent());
    }
    if error.is::<NoTlsError>() {
        let unsent = Some(SendState::NotSent);
        return Some(Failure::found(Kind::SecureConnection, None, None, true, Detail::NoTls, unsent));
    }
    if let Some(error) = error.downcast_ref::<ConnectionEndedError>() {
        let cause = error.cause().cloned().unwrap_or_else(|| Failure::new(Kind::ResponseEnded));
        return Some(cause.unsent());
    }
    if error.downcast_ref::<StepError>().is_some_and(StepError::is_timeout) {
        return Some(Failure::new(Kind::DeadlineExceeded));
    }
    if error.is::<LostRequestError>() {
        let unsent = Some(SendState::NotSent);
        return Some(Failure::found(Kind::ResponseEnded, None, None, false, Detail::Lost, unsent));
    }
    error.downcast_ref::<ConnectError>().map(|error| error.failure().clone())
}

fn tunnel(error: &TunnelError) -> Failure {
    let unsent = Some(SendState::NotSent);
    if error.lacks_host() {
        return Failure::found(Kind::InvalidRequest, None, None, false, Detail::None, unsent);
    }
    let kind = match error.status() {
        Some(StatusCode::PROXY_AUTHENTICATION_REQUIRED) => Kind::UserAuthentication,
        _ => Kind::ProxyTunnel,
    };
    let detail = error.status().map_or(Detail::None, |status| Detail::ProxyStatus(status.as_u16()));
    Failure::found(kind, Some(Phase::Tunnel), None, true, detail, unsent)
}

/// Adds what an error of this crate proves; `false` if the level is another error.
pub(super) fn inspect(error: Level<'_>, evidence: &mut Evidence) -> bool {
    if let Some(error) = error.downcast_ref::<PhaseError>() {
        evidence.in_stage(error.phase());
    } else if let Some(error) = error.downcast_ref::<ResolveError>() {
        evidence.in_stage(Phase::Dns);
        evidence.detail(Detail::Dns(error.failure()));
        evidence.definite(Kind::NameResolution);
    } else if error.is::<PoolConnectError>() {
        evidence.connecting();
    } else {
        return error.is::<SendError>();
    }
    true
}
