//! reqwest. Some of its inner errors are private; its methods detect them.

use reqwest::Error;

use crate::classify::evidence::{Evidence, Level};
use crate::failure::{Detail, Kind, Phase};

pub(super) fn inspect(error: Level<'_>, evidence: &mut Evidence) -> bool {
    let Some(error) = error.downcast_ref::<Error>() else { return false };
    evidence.redirects();
    if let Some(status) = error.status() {
        evidence.detail(Detail::Status(status.as_u16()));
    } else if error.is_builder() {
        evidence.definite(Kind::InvalidRequest);
    } else if error.is_dns() {
        evidence.in_stage(Phase::Dns);
    } else if error.is_timeout() {
        evidence.likely(Kind::ResponseTimeout);
    } else if error.is_decode() {
        // The transfer is complete, or its error is further in.
        evidence.likely(Kind::InvalidResponse);
    }
    if error.is_connect() {
        evidence.connecting();
    }
    true
}
