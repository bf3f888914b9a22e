//! [`PageBuilder`]: what the page keeps.

use std::time::Duration;

use crate::Page;

/// The options of a [`Page`].
///
/// # Example
/// ```
/// use std::time::Duration;
/// use tower_outbound_page::Page;
///
/// let page = Page::builder().slow(Duration::from_millis(100)).max_calls(200).build();
/// # drop(page);
/// ```
#[derive(Clone, Debug)]
pub struct PageBuilder {
    pub(crate) slow: Duration,
    pub(crate) max_calls: usize,
    pub(crate) max_origins: usize,
}

impl PageBuilder {
    pub(crate) const fn new() -> Self {
        Self { slow: Duration::from_millis(500), max_calls: 50, max_origins: 100 }
    }

    /// From which duration on a call is slow, its retries and waits included. Default: 500 ms.
    #[must_use]
    pub const fn slow(mut self, duration: Duration) -> Self {
        self.slow = duration;
        self
    }

    /// How many slow calls are kept, and how many that failed or were retried. Default: 50 each; 0 keeps none.
    #[must_use]
    pub const fn max_calls(mut self, calls: usize) -> Self {
        self.max_calls = calls;
        self
    }

    /// How many origins have figures of their own. Beyond them, the origin that no request has used for longest makes room; if
    /// all are in use, further ones share the line `other`. Default: 100.
    #[must_use]
    pub const fn max_origins(mut self, origins: usize) -> Self {
        self.max_origins = origins;
        self
    }

    /// Builds the page.
    #[must_use]
    pub fn build(self) -> Page {
        Page::with(&self)
    }
}
