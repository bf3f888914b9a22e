//! tower, tower-http and http-body-util: each by its feature.

use crate::classify::chain::{Found, Level};

#[cfg_attr(
    not(any(feature = "tower", feature = "tower-http", feature = "http-body-util")),
    expect(unused_variables, reason = "none of them is there")
)]
pub(super) fn look_at(error: Level<'_>, found: &mut Found) -> bool {
    #[cfg(feature = "tower")]
    if error.is::<tower::timeout::error::Elapsed>() {
        found.timeout();
        return true;
    } else if error.is::<tower::load_shed::error::Overloaded>() {
        found.say(crate::Kind::QueueFull);
        return true;
    }
    #[cfg(feature = "tower-http")]
    if error.is::<tower_http::timeout::TimeoutError>() {
        found.say(crate::Kind::BodyTimeout);
        return true;
    }
    #[cfg(feature = "http-body-util")]
    if error.is::<http_body_util::LengthLimitError>() {
        found.say(crate::Kind::LimitExceeded);
        return true;
    }
    false
}
