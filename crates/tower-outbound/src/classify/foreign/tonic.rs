//! tonic: the client turns every error into a status, with the error as its source.

use tonic::{ConnectError, Status, TimeoutExpired};

use crate::classify::evidence::{Evidence, Level};
use crate::failure::{Detail, Kind};

pub(super) fn inspect(error: Level<'_>, evidence: &mut Evidence) -> bool {
    if let Some(status) = error.downcast_ref::<Status>() {
        // A status without a source is the peer's answer.
        let answered = std::error::Error::source(status).is_none();
        evidence.detail(Detail::Grpc { code: status.code() as i32, answered });
    } else if error.is::<TimeoutExpired>() {
        // tonic's own timer: `grpc-timeout`, or the `Endpoint`'s timeout.
        evidence.definite(Kind::DeadlineExceeded);
    } else if error.is::<ConnectError>() {
        evidence.connecting();
    } else {
        return false;
    }
    true
}
