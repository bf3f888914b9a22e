//! tower-outbound's own: the refusal is read to its end, slot and connection are given back, and then it waits.

use http::StatusCode;
use tower_outbound::OutboundClient;

use super::RETRIES;
use crate::watch::Watch;

/// The budget is the default: 20 % of the requests may be retries, and a tenth are refused.
pub(crate) fn client(watch: Watch) -> OutboundClient {
    let outbound = super::outbound(watch)
        .retry(|retry| retry.status([StatusCode::TOO_MANY_REQUESTS]).max_retries(RETRIES))
        .build();
    super::client(&outbound)
}
