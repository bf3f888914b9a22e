//! rotel as the OTLP backend.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use outbound_tests::peers::Rotel;
use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// 37 spans, posted by hand, are 37 spans there.
pub(crate) async fn counts_every_span() {
    let rotel = Rotel::start().await.unwrap();
    let span = |number: u8| Span {
        trace_id: vec![7; 16],
        span_id: vec![number; 8],
        name: format!("GET /things/{number}"),
        ..Default::default()
    };
    let scoped = ScopeSpans { spans: (1..=37).map(span).collect(), ..Default::default() };
    let resource = ResourceSpans { scope_spans: vec![scoped], ..Default::default() };
    let body = ExportTraceServiceRequest { resource_spans: vec![resource] }.encode_to_vec();

    let address = rotel.http_endpoint().replace("http://", "");
    let mut stream = TcpStream::connect(&address).await.unwrap();
    let head = format!(
        "POST /v1/traces HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
         content-type: application/x-protobuf\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), &body].concat()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer));

    let all = |rotel: &Rotel| rotel.span_names().last().is_some_and(|name| name == "GET /things/37");
    assert!(rotel.wait_for(all, Duration::from_secs(10)).await, "{}", rotel.log());
    assert_eq!(rotel.spans(), 37);
}
