//! reqwest, whose inner errors are private in part: its methods see them.

use reqwest::Error;

use crate::classify::chain::{Found, Level};
use crate::failure::{Detail, Kind, Phase};

pub(super) fn look_at(error: Level<'_>, found: &mut Found) -> bool {
    let Some(error) = error.downcast_ref::<Error>() else { return false };
    found.redirects();
    if let Some(status) = error.status() {
        found.detail(Detail::Status(status.as_u16()));
    } else if error.is_builder() {
        found.settle(Kind::InvalidRequest);
    } else if error.is_dns() {
        found.in_stage(Phase::Dns);
    } else if error.is_timeout() {
        found.perhaps(Kind::ResponseTimeout);
    } else if error.is_decode() {
        // The transfer is over, or its error is further in.
        found.perhaps(Kind::InvalidResponse);
    }
    if error.is_connect() {
        found.connecting();
    }
    true
}
