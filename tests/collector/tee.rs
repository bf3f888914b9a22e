//! A tracer provider that keeps the SDK's data of every span that ends, and passes the span on.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use opentelemetry::trace::{Span as _, SpanBuilder, SpanContext, Status, Tracer, TracerProvider};
use opentelemetry::{Context, InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider, Span, SpanData};

#[derive(Clone, Debug)]
pub(crate) struct Tee {
    provider: SdkTracerProvider,
    kept: Kept,
}

type Kept = Arc<Mutex<Vec<SpanData>>>;

#[derive(Debug)]
pub(crate) struct TeeTracer {
    tracer: SdkTracer,
    kept: Kept,
}

#[derive(Debug)]
pub(crate) struct TeeSpan {
    span: Span,
    kept: Kept,
}

impl Tee {
    pub(crate) fn new(provider: &SdkTracerProvider) -> Tee {
        Tee { provider: provider.clone(), kept: Kept::default() }
    }

    /// The spans that have ended.
    pub(crate) fn spans(&self) -> Vec<SpanData> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl TracerProvider for Tee {
    type Tracer = TeeTracer;

    fn tracer_with_scope(&self, scope: InstrumentationScope) -> TeeTracer {
        TeeTracer { tracer: self.provider.tracer_with_scope(scope), kept: Arc::clone(&self.kept) }
    }
}

impl Tracer for TeeTracer {
    type Span = TeeSpan;

    fn build_with_context(&self, builder: SpanBuilder, parent: &Context) -> TeeSpan {
        TeeSpan { span: self.tracer.build_with_context(builder, parent), kept: Arc::clone(&self.kept) }
    }
}

impl opentelemetry::trace::Span for TeeSpan {
    fn add_event_with_timestamp<T>(&mut self, name: T, timestamp: SystemTime, attributes: Vec<KeyValue>)
    where
        T: Into<Cow<'static, str>>,
    {
        self.span.add_event_with_timestamp(name, timestamp, attributes);
    }

    fn span_context(&self) -> &SpanContext {
        self.span.span_context()
    }

    fn is_recording(&self) -> bool {
        self.span.is_recording()
    }

    fn set_attribute(&mut self, attribute: KeyValue) {
        self.span.set_attribute(attribute);
    }

    fn set_status(&mut self, status: Status) {
        self.span.set_status(status);
    }

    fn update_name<T>(&mut self, name: T)
    where
        T: Into<Cow<'static, str>>,
    {
        self.span.update_name(name);
    }

    fn add_link(&mut self, context: SpanContext, attributes: Vec<KeyValue>) {
        self.span.add_link(context, attributes);
    }

    fn end_with_timestamp(&mut self, timestamp: SystemTime) {
        if let Some(mut data) = self.span.exported_data() {
            data.end_time = timestamp;
            self.kept.lock().unwrap_or_else(PoisonError::into_inner).push(data);
        }
        self.span.end_with_timestamp(timestamp);
    }
}

impl Drop for TeeSpan {
    fn drop(&mut self) {
        // As the SDK's own drop does.
        if self.span.is_recording() {
            self.end();
        }
    }
}
