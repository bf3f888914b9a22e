//! What carries OTLP: a blocking HTTP client, or a gRPC channel on a runtime of its own.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::Context;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use tokio::runtime::{Builder, Runtime};
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};

use super::TelemetryError;

/// A blocking client, built on a plain thread: built on a runtime's it panics.
pub(super) fn http(timeout: Duration) -> Result<reqwest::blocking::Client, TelemetryError> {
    let doing = "building the HTTP client";
    let build = move || -> Result<_, TelemetryError> {
        // Given ready-made: without a provider of the process's choice, reqwest has none.
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| TelemetryError::new(doing, error))?
            .with_root_certificates(roots())
            .with_no_client_auth();
        let client = reqwest::blocking::Client::builder().tls_backend_preconfigured(config).timeout(timeout);
        client.build().map_err(|error| TelemetryError::new(doing, error))
    };
    let thread = std::thread::Builder::new().name("otlp-client-setup".into()).spawn(build);
    let thread = thread.map_err(|error| TelemetryError::new(doing, error))?;
    thread.join().unwrap_or_else(|_| Err(TelemetryError::new(doing, "its thread panicked")))
}

/// The system's; one that cannot be read is left out.
fn roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// One worker, whose connections work however the application's own runtime is blocked, or if it has none.
pub(super) fn runtime() -> Result<Runtime, TelemetryError> {
    Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("otlp-grpc")
        .enable_all()
        // What the exporter does must not become telemetry; the scope lasts as long as the thread.
        .on_thread_start(|| std::mem::forget(Context::enter_telemetry_suppressed_scope()))
        .build()
        .map_err(|error| TelemetryError::new("starting the exporter's runtime", error))
}

pub(super) fn channel(
    runtime: &Runtime,
    endpoint: &str,
    timeout: Duration,
) -> Result<Channel, TelemetryError> {
    let failed = |error| TelemetryError::new("building the gRPC channel", error);
    let mut channel = Endpoint::from_shared(endpoint.to_owned()).map_err(failed)?.timeout(timeout);
    if endpoint.starts_with("https:") {
        let tls = ClientTlsConfig::new().with_native_roots();
        channel = channel.tls_config(tls).map_err(failed)?;
    }
    let _entered = runtime.enter();
    Ok(channel.connect_lazy())
}
