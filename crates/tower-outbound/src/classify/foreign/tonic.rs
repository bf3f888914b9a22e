//! tonic: the client makes a status of whatever went wrong; its sources say more.

use tonic::{ConnectError, Status, TimeoutExpired};

use crate::classify::chain::{Found, Level};
use crate::failure::Detail;

pub(super) fn look_at(error: Level<'_>, found: &mut Found) -> bool {
    if let Some(status) = error.downcast_ref::<Status>() {
        // Without a source it is what the peer has answered.
        let answered = std::error::Error::source(status).is_none();
        found.detail(Detail::Grpc { code: status.code() as i32, answered });
    } else if error.is::<TimeoutExpired>() {
        found.timeout();
    } else if error.is::<ConnectError>() {
        found.connecting();
    } else {
        return false;
    }
    true
}
