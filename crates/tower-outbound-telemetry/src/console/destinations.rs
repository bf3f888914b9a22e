//! Processor and reader for the console.

use std::time::Duration;

use opentelemetry_sdk::metrics::PeriodicReader;
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor};

use crate::console::{ConsoleMetricExporter, ConsoleSpanExporter};

/// Short, for a person who watches. Exports run on a thread of their own, since terminals may be slow.
const SOON: Duration = Duration::from_millis(200);

pub(crate) fn spans() -> BatchSpanProcessor {
    let soon = BatchConfigBuilder::default().with_scheduled_delay(SOON).build();
    BatchSpanProcessor::builder(ConsoleSpanExporter::new()).with_batch_config(soon).build()
}

pub(crate) fn metrics(interval: Duration) -> PeriodicReader<ConsoleMetricExporter> {
    PeriodicReader::builder(ConsoleMetricExporter::new()).with_interval(interval).build()
}
