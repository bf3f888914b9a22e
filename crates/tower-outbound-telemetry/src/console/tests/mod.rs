//! Tests of the printed text.

mod destinations;
mod evicted;
mod metrics;
mod observer;
mod spans;
mod stack;
mod waterfall;

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use opentelemetry::trace::{SpanContext, SpanKind, Status, TraceFlags, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanExporter, SpanLinks};

use super::ConsoleSpanExporter;

/// A writer that records each write.
#[derive(Clone, Default)]
struct Printed(Arc<Mutex<Vec<String>>>);

impl Printed {
    fn writes(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// Everything written since the last call.
    fn take(&self) -> String {
        self.0.lock().unwrap().drain(..).collect()
    }
}

impl Write for Printed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().push(String::from_utf8(bytes.to_vec()).unwrap());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An exporter, and what it prints.
fn exporter() -> (ConsoleSpanExporter, Printed) {
    let printed = Printed::default();
    (ConsoleSpanExporter::new().with_writer(printed.clone()), printed)
}

fn resource(service: &'static str) -> Resource {
    Resource::builder_empty().with_service_name(service).build()
}

/// The exporter of another service, with the same writer.
fn of(exporter: &ConsoleSpanExporter, service: &'static str) -> ConsoleSpanExporter {
    let mut exporter = exporter.clone();
    exporter.set_resource(&resource(service));
    exporter
}

/// A span of `trace`, with times in milliseconds. Parent 0 means none.
fn span(trace: u128, id: u64, parent: u64, name: &'static str, from: u64, to: u64) -> SpanData {
    let context =
        SpanContext::new(trace.into(), id.into(), TraceFlags::SAMPLED, false, TraceState::default());
    let at = |millis| UNIX_EPOCH + Duration::from_secs(1_700_000_000) + Duration::from_millis(millis);
    SpanData {
        span_context: context,
        parent_span_id: parent.into(),
        parent_span_is_remote: false,
        span_kind: SpanKind::Internal,
        name: name.into(),
        start_time: at(from),
        end_time: at(to),
        attributes: Vec::new(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: Status::Unset,
        instrumentation_scope: InstrumentationScope::default(),
    }
}

trait SpanDataExt {
    fn with(self, attributes: impl IntoIterator<Item = KeyValue>) -> Self;
    fn failed(self, error: &'static str) -> Self;
    fn remote(self) -> Self;
}

impl SpanDataExt for SpanData {
    fn with(mut self, attributes: impl IntoIterator<Item = KeyValue>) -> Self {
        self.attributes.extend(attributes);
        self
    }

    fn failed(mut self, error: &'static str) -> Self {
        self.status = Status::error("");
        self.with([KeyValue::new("error.type", error)])
    }

    /// The parent is in another process.
    fn remote(mut self) -> Self {
        self.parent_span_is_remote = true;
        self
    }
}

/// A trace of one span.
fn lone(trace: u128, parent: u64) -> SpanData {
    span(trace, 1, parent, "x", 0, 1)
}

/// A full bar of this width.
fn full(columns: usize) -> String {
    "█".repeat(columns)
}

/// The axis below bars of a width, after names of a width.
fn axis(names: usize, columns: usize, end: &str) -> String {
    format!("{:names$} 0{end:>1$}\n", "", columns - 1)
}
