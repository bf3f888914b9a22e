//! tower; tower-http and http-body-util, each with its feature.

use crate::classify::evidence::{Evidence, Level};

pub(super) fn inspect(error: Level<'_>, evidence: &mut Evidence) -> bool {
    #[cfg(feature = "tower")]
    if error.is::<tower::timeout::error::Elapsed>() {
        evidence.timeout();
        return true;
    } else if error.is::<tower::load_shed::error::Overloaded>() {
        evidence.exact(crate::Kind::QueueFull);
        return true;
    }
    // Without the crate, by what its two types write: every application with these errors has tower already.
    #[cfg(not(feature = "tower"))]
    if super::says(error, "request timed out") && super::shows(error, "Elapsed(())") {
        evidence.timeout();
        return true;
    } else if super::says(error, "service overloaded") && super::shows(error, "Overloaded") {
        evidence.exact(crate::Kind::QueueFull);
        return true;
    }
    #[cfg(feature = "tower-http")]
    if error.is::<tower_http::timeout::TimeoutError>() {
        evidence.exact(crate::Kind::BodyTimeout);
        return true;
    }
    #[cfg(feature = "http-body-util")]
    if error.is::<http_body_util::LengthLimitError>() {
        evidence.exact(crate::Kind::LimitExceeded);
        return true;
    }
    false
}
