//! rotel as the OTLP backend.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use outbound_tests::otlp::{Front, FrontProtocol};
use outbound_tests::peers::Rotel;
use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const LIMIT: Duration = Duration::from_secs(10);

fn export(numbers: impl IntoIterator<Item = u8>) -> ExportTraceServiceRequest {
    let span = |number: u8| Span {
        trace_id: vec![7; 16],
        span_id: vec![number; 8],
        name: format!("GET /things/{number}"),
        ..Default::default()
    };
    let scoped = ScopeSpans { spans: numbers.into_iter().map(span).collect(), ..Default::default() };
    let resource = ResourceSpans { scope_spans: vec![scoped], ..Default::default() };
    ExportTraceServiceRequest { resource_spans: vec![resource] }
}

/// Sends the whole request and leaves the connection open for the answer.
async fn post(address: SocketAddr, export: &ExportTraceServiceRequest) -> TcpStream {
    let body = export.encode_to_vec();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "POST /v1/traces HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
         content-type: application/x-protobuf\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), &body].concat()).await.unwrap();
    stream
}

async fn is_taken(mut stream: TcpStream) {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer));
}

async fn has(rotel: &Rotel, ids: &[&str]) {
    let all = |rotel: &Rotel| rotel.span_ids().len() >= ids.len();
    assert!(rotel.wait_for(all, LIMIT).await, "{}", rotel.log());
    assert_eq!(Vec::from_iter(rotel.span_ids()), ids);
}

/// rotel receives all of 37 posted spans.
pub(crate) async fn counts_every_span() {
    let rotel = Rotel::start().await.unwrap();
    is_taken(post(rotel.http_address(), &export(1..=37)).await).await;

    let all = |rotel: &Rotel| rotel.span_names().last().is_some_and(|name| name == "GET /things/37");
    assert!(rotel.wait_for(all, LIMIT).await, "{}", rotel.log());
    assert_eq!((rotel.spans(), rotel.span_ids().len()), (37, 37));
}

/// A paused rotel accepts and does not answer; resumed, it serves the sent requests.
pub(crate) async fn pauses_and_resumes() {
    let rotel = Rotel::start().await.unwrap();
    rotel.pause().await.unwrap();
    let stream = post(rotel.http_address(), &export([1])).await;
    // Meanwhile another rotel starts and answers.
    let other = Rotel::start().await.unwrap();
    is_taken(post(other.http_address(), &export([2])).await).await;
    assert_eq!(stream.try_read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert_eq!(rotel.spans(), 0);

    rotel.resume().unwrap();
    is_taken(stream).await;
    has(&rotel, &["0101010101010101"]).await;
}

/// The ports of a stopped rotel refuse, even if it was paused. Restarted, it serves on the same ports and has lost
/// nothing.
pub(crate) async fn restarts_on_the_same_ports() {
    let mut rotel = Rotel::start().await.unwrap();
    let (grpc, http) = (rotel.grpc_address(), rotel.http_address());
    is_taken(post(http, &export([1])).await).await;
    rotel.pause().await.unwrap();
    rotel.stop().await.unwrap();
    for address in [grpc, http] {
        assert_eq!(TcpStream::connect(address).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    }
    assert_eq!(Vec::from_iter(rotel.span_ids()), ["0101010101010101"]);
    assert!(rotel.pause().await.is_err() && rotel.resume().is_err());

    rotel.restart().await.unwrap();
    assert_eq!((rotel.grpc_address(), rotel.http_address()), (grpc, http));
    is_taken(post(http, &export([2])).await).await;
    has(&rotel, &["0101010101010101", "0202020202020202"]).await;
    assert_eq!(rotel.spans(), 2);
}

/// A front before rotel changes nothing, over either protocol.
pub(crate) async fn is_reached_through_a_front() {
    let rotel = Rotel::start().await.unwrap();
    let front = Front::start(rotel.http_address(), FrontProtocol::Http).unwrap();
    is_taken(post(front.address(), &export([1])).await).await;
    let front = Front::start(rotel.grpc_address(), FrontProtocol::Grpc).unwrap();
    let mut client = TraceServiceClient::connect(front.endpoint()).await.unwrap();
    client.export(export([2])).await.unwrap();
    has(&rotel, &["0101010101010101", "0202020202020202"]).await;
    assert_eq!(rotel.spans(), 2);
}
