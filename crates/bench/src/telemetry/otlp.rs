//! What people use instead of our pipeline: opentelemetry-otlp, over gRPC, with its defaults.

use std::net::SocketAddr;

use opentelemetry::global;
use opentelemetry::metrics::{Meter, MeterProvider};
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{MetricExporter, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;

use super::counted::batched;
use super::{Flush, null};
use crate::settings::Observe;

/// The providers of a peer, and a `tracing` subscriber that makes OpenTelemetry's spans.
pub(crate) struct Peer {
    pub(crate) meter: Meter,
    pub(crate) flush: Flush,
}

impl Peer {
    /// Sets the process's globals.
    pub(crate) fn install(observe: Observe, receiver: SocketAddr) -> Self {
        let (traces, metrics, flush) = match observe {
            Observe::Traces { share, .. } => {
                let (traces, flush) = null::traces(share);
                (traces, null::metrics(), flush)
            }
            _ => exported(receiver),
        };
        let subscriber = tracing_subscriber::registry()
            .with(LevelFilter::INFO)
            .with(tracing_opentelemetry::layer().with_tracer(traces.tracer("bench")));
        tracing::subscriber::set_global_default(subscriber).expect("the only subscriber");
        let meter = metrics.meter("bench");
        // The globals keep both until the process ends.
        global::set_meter_provider(metrics);
        global::set_tracer_provider(traces);
        Self { meter, flush }
    }
}

fn exported(receiver: SocketAddr) -> (SdkTracerProvider, SdkMeterProvider, Flush) {
    let endpoint = format!("http://{receiver}");
    let resource = Resource::builder().with_service_name("bench").build();
    let exporter = SpanExporter::builder().with_tonic().with_endpoint(&endpoint).build();
    let builder = SdkTracerProvider::builder().with_resource(resource.clone());
    let (traces, flush) = batched(builder, exporter.expect("an exporter of spans"));
    global::set_text_map_propagator(TraceContextPropagator::new());
    let exporter = MetricExporter::builder().with_tonic().with_endpoint(&endpoint).build();
    let metrics = SdkMeterProvider::builder()
        .with_periodic_exporter(exporter.expect("an exporter of metrics"))
        .with_resource(resource)
        .build();
    (traces, metrics, flush)
}
