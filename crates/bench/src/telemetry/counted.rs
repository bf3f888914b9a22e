//! Counts spans on their way, so that none is lost unseen.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchSpanProcessor, SdkTracerProvider, Span, SpanData, SpanExporter, SpanProcessor, TracerProviderBuilder,
};

use super::Flush;
use crate::load::Spans;

#[derive(Debug, Default)]
struct Counters {
    made: AtomicU64,
    exported: AtomicU64,
}

/// The SDK's batch processor with its defaults before this exporter, both counted.
pub(crate) fn batched<E: SpanExporter + 'static>(
    provider: TracerProviderBuilder,
    exporter: E,
) -> (SdkTracerProvider, Flush) {
    let counters = Arc::new(Counters::default());
    let exporter = CountedExporter { inner: exporter, counters: Arc::clone(&counters) };
    let processor = CountedProcessor {
        inner: BatchSpanProcessor::builder(exporter).build(),
        counters: Arc::clone(&counters),
    };
    let provider = provider.with_span_processor(processor).build();
    let flushed = provider.clone();
    let flush = Flush::new(move || {
        flushed.force_flush().expect("an export that works");
        Spans { made: counters.made.load(Relaxed), exported: counters.exported.load(Relaxed) }
    });
    (provider, flush)
}

#[derive(Debug)]
struct CountedProcessor {
    inner: BatchSpanProcessor,
    counters: Arc<Counters>,
}

impl SpanProcessor for CountedProcessor {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.inner.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        self.counters.made.fetch_add(1, Relaxed);
        self.inner.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

#[derive(Debug)]
struct CountedExporter<E> {
    inner: E,
    counters: Arc<Counters>,
}

impl<E: SpanExporter> SpanExporter for CountedExporter<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len() as u64;
        self.inner.export(batch).await?;
        self.counters.exported.fetch_add(spans, Relaxed);
        Ok(())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}
