//! Five bound metrics and three spans by hand: the least that reports something like what our layers report. Without
//! retries, connections and failures.

use http::{HeaderName, HeaderValue};
use http_body_util::BodyExt;
use opentelemetry::metrics::{BoundCounter, BoundHistogram, Meter, MeterProvider};
use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, SpanKind, TraceContextExt, Tracer, TracerProvider,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SdkTracer, Span};
use tokio::time::Instant;

use super::bare;
use super::lean::Lean;
use super::transport::Transport;
use crate::load::{Job, Outcome, Run, Worker};
use crate::settings::Observe;
use crate::telemetry::{self, Flush};

pub(super) async fn around_bare(run: &Run) -> Outcome {
    around(run, bare::plain(run.setting.traffic)).await
}

pub(super) async fn around_lean(run: &Run) -> Outcome {
    around(run, Lean::default()).await
}

async fn around<C: Transport>(run: &Run, client: C) -> Outcome {
    let metrics = telemetry::null_metrics();
    let instruments = Instruments::new(&metrics.meter("bench"));
    let (tracer, flush) = match run.setting.observe {
        Observe::Traces { share, .. } => {
            let (traces, flush) = telemetry::null_traces(share);
            (Some(traces.tracer("bench")), flush)
        }
        _ => (None, Flush::nothing()),
    };
    let job = run.job();
    let make = || Hand {
        client: client.clone(),
        job: job.clone(),
        instruments: instruments.clone(),
        tracer: tracer.clone(),
    };
    let outcome = run.drive(make, flush).await;
    drop(metrics);
    outcome
}

#[derive(Clone)]
struct Instruments {
    duration: BoundHistogram<f64>,
    first_byte: BoundHistogram<f64>,
    size: BoundHistogram<u64>,
    requests: BoundCounter<u64>,
    bytes: BoundCounter<u64>,
}

impl Instruments {
    fn new(meter: &Meter) -> Self {
        let seconds = |name| {
            let bounds = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
            meter.f64_histogram(name).with_unit("s").with_boundaries(bounds.into()).build()
        };
        let attributes = [
            KeyValue::new("http.request.method", "POST"),
            KeyValue::new("server.address", "127.0.0.1"),
            KeyValue::new("server.port", 80),
            KeyValue::new("http.response.status_code", 200),
            KeyValue::new("network.protocol.version", "1.1"),
        ];
        Self {
            duration: seconds("http.client.request.duration").bind(&attributes),
            first_byte: seconds("first_byte").bind(&attributes),
            size: meter.u64_histogram("http.client.response.body.size").build().bind(&attributes),
            requests: meter.u64_counter("requests").build().bind(&attributes),
            bytes: meter.u64_counter("bytes").build().bind(&attributes),
        }
    }
}

struct Hand<C> {
    client: C,
    job: Job,
    instruments: Instruments,
    tracer: Option<SdkTracer>,
}

impl<C: Transport> Worker for Hand<C> {
    async fn call(&mut self) -> usize {
        let mut request = self.job.request();
        let begun = Instant::now();
        let mut span = self.tracer.as_ref().map(|tracer| {
            let builder = SpanBuilder::from_name("POST").with_kind(SpanKind::Client);
            tracer.build_with_context(builder, &Context::new())
        });
        if let Some(span) = &mut span {
            let header = traceparent(span.span_context());
            request.headers_mut().insert(HeaderName::from_static("traceparent"), header);
            if span.is_recording() {
                span.set_attributes([
                    KeyValue::new("http.request.method", "POST"),
                    KeyValue::new("url.full", request.uri().to_string()),
                    KeyValue::new("url.scheme", "http"),
                    KeyValue::new("server.address", "127.0.0.1"),
                    KeyValue::new("server.port", 80),
                    KeyValue::new("network.protocol.version", "1.1"),
                ]);
            }
        }
        let child = self.child("first_byte", span.as_ref());
        let response = self.client.send(request).await;
        let first_byte = begun.elapsed();
        end(child, KeyValue::new("reused", true));
        let status = response.status();
        let child = self.child("body", span.as_ref());
        let length = response.into_body().collect().await.expect("the whole body").to_bytes().len();
        let duration = begun.elapsed();
        end(child, KeyValue::new("http.response.body.size", length as i64));
        self.instruments.duration.record(duration.as_secs_f64());
        self.instruments.first_byte.record(first_byte.as_secs_f64());
        self.instruments.size.record(length as u64);
        self.instruments.requests.add(1);
        self.instruments.bytes.add(length as u64);
        if let Some(mut span) = span {
            if span.is_recording() {
                span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
                span.set_attribute(KeyValue::new("http.response.body.size", length as i64));
            }
            span.end();
        }
        length
    }
}

impl<C> Hand<C> {
    fn child(&self, name: &'static str, parent: Option<&Span>) -> Option<Span> {
        let parent = parent.filter(|parent| parent.is_recording())?;
        let tracer = self.tracer.as_ref()?;
        let context = Context::new().with_remote_span_context(parent.span_context().clone());
        let builder = SpanBuilder::from_name(name).with_kind(SpanKind::Internal);
        Some(tracer.build_with_context(builder, &context))
    }
}

fn end(child: Option<Span>, attribute: KeyValue) {
    if let Some(mut child) = child {
        child.set_attribute(attribute);
        child.end();
    }
}

fn traceparent(context: &SpanContext) -> HeaderValue {
    let mut header = *b"00-00000000000000000000000000000000-0000000000000000-00";
    hex(&mut header[3..35], &context.trace_id().to_bytes());
    hex(&mut header[36..52], &context.span_id().to_bytes());
    header[54] = if context.is_sampled() { b'1' } else { b'0' };
    HeaderValue::from_bytes(&header).expect("hexadecimal digits")
}

fn hex(to: &mut [u8], bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (to, byte) in to.chunks_exact_mut(2).zip(bytes) {
        to[0] = DIGITS[usize::from(byte >> 4)];
        to[1] = DIGITS[usize::from(byte & 15)];
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::{SpanId, TraceFlags, TraceId, TraceState};

    use super::*;

    #[test]
    fn traceparent_is_that_of_the_span() {
        let (trace, span) = (TraceId::from_bytes([0xab; 16]), SpanId::from_bytes([0x0f; 8]));
        let context = SpanContext::new(trace, span, TraceFlags::SAMPLED, false, TraceState::NONE);
        let expected = "00-abababababababababababababababab-0f0f0f0f0f0f0f0f-01";
        assert_eq!(traceparent(&context), expected);
    }
}
