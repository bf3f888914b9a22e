//! Exports what waits.

use std::sync::Arc;

use crate::load::Tally;

/// Exports what waits, and returns the spans since the start.
#[derive(Clone)]
pub(crate) struct Flush(Option<Arc<dyn Fn() -> Tally + Send + Sync>>);

impl Flush {
    /// Of a contender without spans.
    pub(crate) fn nothing() -> Self {
        Self(None)
    }

    /// `export` may block, and may need this runtime to go on meanwhile.
    pub(crate) fn new(export: impl Fn() -> Tally + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(export)))
    }

    pub(crate) async fn now(&self) -> Tally {
        let Some(export) = self.0.clone() else { return Tally::default() };
        tokio::task::spawn_blocking(move || export()).await.expect("an export that does not panic")
    }
}
