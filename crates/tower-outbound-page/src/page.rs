//! [`Page`].

use std::fmt;
use std::sync::Arc;

use tower_outbound::Outbound;
use tower_outbound::event::ObserverKey;

use crate::calls::{Calls, OpenCall};
use crate::origins::{OriginFigures, Origins};
use crate::{PageBuilder, PageService};

/// An observer that keeps what the page shows. Clones share what they keep.
///
/// Give it to [`OutboundBuilder::observer`](tower_outbound::outbound::OutboundBuilder::observer), and serve [`Page::service`]. The
/// [crate's page](crate) has an example.
#[derive(Clone)]
pub struct Page(pub(crate) Arc<Shared>);

pub(crate) struct Shared {
    pub(crate) origins: Origins,
    pub(crate) calls: Calls,
    pub(crate) figures: ObserverKey<Arc<OriginFigures>>,
    pub(crate) open: ObserverKey<OpenCall>,
}

impl Page {
    /// A page with the default options.
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// The options.
    #[must_use]
    pub const fn builder() -> PageBuilder {
        PageBuilder::new()
    }

    pub(crate) fn with(options: &PageBuilder) -> Self {
        let PageBuilder { slow, max_calls, max_origins } = *options;
        Self(Arc::new(Shared {
            origins: Origins::new(max_origins),
            calls: Calls::new(slow, max_calls),
            figures: ObserverKey::new(),
            open: ObserverKey::new(),
        }))
    }

    /// The service that answers with the page, for the connections of this `Outbound`. It answers at every path.
    #[must_use]
    pub fn service(&self, outbound: &Outbound) -> PageService {
        PageService::new(self.clone(), outbound.clone())
    }
}

impl Default for Page {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Page").finish_non_exhaustive()
    }
}
