//! Exports what waits.

use std::sync::Arc;

use crate::load::Spans;

/// Exports what waits, and returns the spans since the start.
#[derive(Clone)]
pub(crate) struct Flush(Option<Arc<dyn Fn() -> Spans + Send + Sync>>);

impl Flush {
    /// Of a contender without spans.
    pub(crate) fn nothing() -> Self {
        Self(None)
    }

    /// `export` may block, and may need this runtime to go on meanwhile.
    pub(crate) fn new(export: impl Fn() -> Spans + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(export)))
    }

    pub(crate) async fn now(&self) -> Spans {
        let Some(export) = self.0.clone() else { return Spans::default() };
        tokio::task::spawn_blocking(move || export()).await.expect("an export that does not panic")
    }
}
