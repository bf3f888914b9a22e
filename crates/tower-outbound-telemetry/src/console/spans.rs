//! The exporter of spans.

use std::fmt::{self, Write as _};
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry::KeyValue;
use opentelemetry::trace::{SpanId, Status};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

use super::bar::Bar;
use super::out::Out;
use super::text::clip;
use super::traces::{Part, SPANS, TRACES, Traces};
use super::unit::millis;
use super::waterfall::Waterfall;

/// Maximum length of names and attribute values.
const LONGEST: usize = 200;

/// Prints each trace as a [`Waterfall`] when its local root ends, that is, the span without a parent in this process.
///
/// Spans that end later are printed with the title `…, continued`. At most 256 traces wait for their root, with at most 500
/// spans each; further ones are printed early or dropped, with a note. Waiting spans are printed at
/// [`shutdown`](SpanExporter::shutdown) and [`force_flush`](SpanExporter::force_flush). The SDK's processors forward only
/// the shutdown; keep a clone to flush.
///
/// The output contains trace ids, names, durations, failures, `error.type`, `http.response.status_code`,
/// `outbound.connection.id`, `outbound.connection.reuse` and `service.name`, and nothing else.
///
/// Clones share writer and traces. Writing blocks the exporting thread.
///
/// # Example
/// ```
/// use opentelemetry_sdk::trace::SdkTracerProvider;
/// use tower_outbound_telemetry::console::ConsoleSpanExporter;
///
/// let traces = SdkTracerProvider::builder().with_batch_exporter(ConsoleSpanExporter::new()).build();
/// // … OtelObserver::builder().tracer_provider(&traces)
/// traces.shutdown()?;
/// # Ok::<_, opentelemetry_sdk::error::OTelSdkError>(())
/// ```
pub struct ConsoleSpanExporter {
    out: Out,
    traces: Arc<Mutex<Traces>>,
    service: Option<Arc<str>>,
    is_shutdown: AtomicBool,
}

impl ConsoleSpanExporter {
    /// Prints to standard error, in the terminal's width; 100 columns without a terminal.
    #[must_use]
    pub fn new() -> Self {
        Self {
            out: Out::default(),
            traces: Arc::default(),
            service: None,
            is_shutdown: AtomicBool::new(false),
        }
    }

    /// Prints to this writer, in 100 columns, without colours. Each waterfall is one write, followed by a flush.
    #[must_use]
    pub fn with_writer(mut self, writer: impl Write + Send + 'static) -> Self {
        self.out = Out::new(writer);
        self
    }

    fn traces(&self) -> MutexGuard<'_, Traces> {
        self.traces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Prints each part. Only the writer's lock is held.
    fn print(&self, parts: Vec<Part>, why: Option<&str>) -> io::Result<()> {
        let (width, colors) = (self.out.width(), self.out.colors());
        parts.into_iter().try_for_each(|part| {
            let detail: Vec<_> = continued(&part).into_iter().chain(why.map(str::to_owned)).collect();
            let title = format!("trace {}", part.trace);
            let waterfall = Waterfall::new().width(width).colors(colors);
            let mut text = waterfall.trace(title, detail.join(", "), part.bars).to_string();
            if part.dropped > 0 {
                // Writing to a string does not fail.
                let _ = writeln!(text, "… and {} more spans, dropped: above {SPANS} waited", part.dropped);
            }
            text.push('\n');
            self.out.write(&text)
        })
    }

    fn print_all(&self) -> OTelSdkResult {
        let parts = self.traces().take_all();
        self.print(parts, Some("its local root has not ended")).map_err(|error| not_written(&error))
    }
}

impl SpanExporter for ConsoleSpanExporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        if self.is_shutdown.load(Ordering::Relaxed) {
            return Err(OTelSdkError::AlreadyShutdown);
        }
        let (ready, evicted) = {
            let mut traces = self.traces();
            let mut ready = Vec::new();
            for span in batch {
                let id = span.span_context.trace_id();
                let is_root = span.parent_span_id == SpanId::INVALID || span.parent_span_is_remote;
                if traces.add(id, bar(&span, self.service.as_ref()), is_root) {
                    ready.push(id);
                }
            }
            let ready: Vec<_> = ready.into_iter().filter_map(|id| traces.take_ready(id)).collect();
            (ready, traces.evict())
        };
        let early = format!("printed early: above {TRACES} traces waited for their local root");
        self.print(ready, None).and(self.print(evicted, Some(&early))).map_err(|error| not_written(&error))
    }

    /// Prints waiting spans.
    fn force_flush(&self) -> OTelSdkResult {
        self.print_all()
    }

    /// Prints waiting spans.
    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        match self.is_shutdown.swap(true, Ordering::Relaxed) {
            true => Err(OTelSdkError::AlreadyShutdown),
            false => self.print_all(),
        }
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.service = service(resource);
    }
}

impl Clone for ConsoleSpanExporter {
    /// Shares writer and traces. Each clone is shut down on its own.
    fn clone(&self) -> Self {
        Self {
            out: self.out.clone(),
            traces: self.traces.clone(),
            service: self.service.clone(),
            is_shutdown: AtomicBool::new(self.is_shutdown.load(Ordering::Relaxed)),
        }
    }
}

impl Default for ConsoleSpanExporter {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ConsoleSpanExporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsoleSpanExporter").field("service", &self.service).finish_non_exhaustive()
    }
}

/// The offset of these spans from those printed before.
fn continued(part: &Part) -> Option<String> {
    let (first, start) = (part.earlier?, part.bars.first()?.start);
    let sign = if start < first { '-' } else { '+' };
    Some(format!("continued from {sign}{}", millis(start.abs_diff(first))))
}

/// The service's name; `None` for the SDK's default.
pub(super) fn service(resource: &Resource) -> Option<Arc<str>> {
    let name = resource.get(&"service.name".into())?.to_string();
    (!name.starts_with("unknown_service")).then(|| clip(&name, LONGEST).into())
}

pub(super) fn not_written(error: &io::Error) -> OTelSdkError {
    OTelSdkError::InternalFailure(format!("writing to the console: {error}"))
}

/// The printed part of a span, without anything that may be a secret.
fn bar(span: &SpanData, service: Option<&Arc<str>>) -> Bar {
    let since = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let failed = matches!(span.status, Status::Error { .. });
    let bar = Bar::new(
        span.span_context.span_id(),
        clip(&span.name, LONGEST),
        since(span.start_time),
        since(span.end_time),
    );
    let bar = bar.child_of(span.parent_span_id).failed(failed).note(note(&span.attributes));
    match service {
        Some(service) => bar.service(service.clone()),
        None => bar,
    }
}

/// Status, `error.type` if different, and connection.
fn note(attributes: &[KeyValue]) -> String {
    let attribute = |key| {
        let value = attributes.iter().find(|attribute| attribute.key.as_str() == key)?.value.to_string();
        Some(clip(&value, LONGEST).to_owned())
    };
    let status = attribute("http.response.status_code");
    let error = attribute("error.type").filter(|error| Some(error) != status.as_ref());
    let id = attribute("outbound.connection.id").map(|id| format!("#{id}"));
    let reuse = attribute("outbound.connection.reuse").filter(|_| id.is_some());
    let words: Vec<_> = [status, error, id, reuse].into_iter().flatten().collect();
    words.join(" ")
}
