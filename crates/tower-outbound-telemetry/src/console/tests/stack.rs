//! The exporters with the SDK's processors and the observer.

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Empty};
use opentelemetry::Context;
use opentelemetry::trace::{FutureExt as _, TraceContextExt as _, Tracer as _, TracerProvider as _};
use opentelemetry_sdk::trace::{SdkTracerProvider, TracerProviderBuilder};
use outbound_tests::server::{Script, ScriptedServer};
use tower_outbound::Outbound;

use super::*;
use tower_outbound_otel::OtelObserver;

/// The row names of each waterfall.
async fn printed_by(
    processor: impl Fn(TracerProviderBuilder, ConsoleSpanExporter) -> TracerProviderBuilder,
) -> (Vec<Vec<String>>, u16) {
    let (exporter, printed) = exporter();
    let traces = processor(SdkTracerProvider::builder().with_resource(resource("shop")), exporter).build();
    let outbound =
        Outbound::builder().observer(OtelObserver::builder().tracer_provider(&traces).build()).build();
    let client = outbound.client_builder().build();
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let server = ScriptedServer::tcp(Script::answering(answer)).await.unwrap();

    let context = Context::current_with_span(traces.tracer("app").start("cart"));
    let attempt = async {
        let request = Request::get(server.uri("/secret")).body(Empty::<Bytes>::new()).unwrap();
        client.request(request).await.unwrap().into_body().collect().await.unwrap();
    };
    attempt.with_context(context.clone()).await;
    context.span().end();
    traces.shutdown().unwrap();

    let rows = |text: &String| {
        let rows = text.lines().filter_map(|line| line.split_once('│'));
        let names = rows.map(|(name, _)| name.trim_end().to_owned());
        // Present if the phase took more than a millisecond.
        names.filter(|name| name.trim() != "outbound.head").collect()
    };
    (printed.writes().iter().map(rows).collect(), server.address().unwrap().port())
}

fn expected(port: u16) -> Vec<Vec<String>> {
    vec![vec![
        "  cart (shop)".to_owned(),
        "    GET".to_owned(),
        format!("      HTTP wait_for_connection 127.0.0.1:{port}"),
        format!("      HTTP connection_setup 127.0.0.1:{port}"),
        format!("        socket connect 127.0.0.1:{port}"),
        "      outbound.send".to_owned(),
        "      outbound.wait".to_owned(),
        "      outbound.body".to_owned(),
    ]]
}

#[tokio::test]
async fn simple_processor_prints_attempt_as_single_waterfall() {
    let (rows, port) = printed_by(TracerProviderBuilder::with_simple_exporter).await;
    assert_eq!(rows, expected(port));
}

#[tokio::test]
async fn batch_processor_prints_attempt_as_single_waterfall() {
    let (rows, port) = printed_by(TracerProviderBuilder::with_batch_exporter).await;
    assert_eq!(rows, expected(port));
}
