//! Where the messages of one signal are sent.

use http::{HeaderMap, Uri};
use tower_outbound::OutboundClient;

use super::answer::Signal;

#[derive(Debug)]
pub(super) struct Receiver {
    pub(super) client: OutboundClient,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) gzip: bool,
    pub(super) signal: Signal,
}
