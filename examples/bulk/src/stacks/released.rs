//! The retry layer of tower-outbound: reads the refusal to its end, returns slot and connection, and then waits.

use http::StatusCode;
use tower_outbound::OutboundClient;

use super::{Observers, RETRIES};

/// The default budget suffices: it allows retries of 20 % of the requests, and 10 % are refused.
pub(crate) fn client(observers: Observers) -> OutboundClient {
    let outbound = super::outbound(observers)
        .retry(|retry| retry.status([StatusCode::TOO_MANY_REQUESTS]).max_retries(RETRIES))
        .build();
    super::client(&outbound)
}
