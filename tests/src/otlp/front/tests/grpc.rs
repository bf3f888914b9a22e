//! Each fault over gRPC, as tonic's client reports it.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use tokio::time::Instant;
use tonic::codec::CompressionEncoding;
use tonic::transport::Channel;
use tonic::{Code, Status};

use super::{LIMIT, before_receiver, fifteen_points, points, received, spans};
use crate::otlp::{Fault, Front, FrontProtocol};
use crate::server::closed_port;

type Client = TraceServiceClient<Channel>;

async fn client(front: &Front) -> Client {
    Client::connect(front.endpoint()).await.unwrap()
}

async fn failure(client: &mut Client) -> Status {
    client.export(spans([9])).await.unwrap_err()
}

#[tokio::test]
async fn front_grpc_forwards_each_export_once() {
    let (receiver, front) = before_receiver(FrontProtocol::Grpc).await;
    let traces = client(&front).await.send_compressed(CompressionEncoding::Gzip);
    let mut traces = traces.accept_compressed(CompressionEncoding::Gzip);
    traces.export(spans([1, 2])).await.unwrap();
    traces.export(spans([3])).await.unwrap();
    let mut metrics = MetricsServiceClient::connect(front.endpoint()).await.unwrap();
    metrics.export(fifteen_points()).await.unwrap();

    assert_eq!(received(&receiver), ["0101010101010101", "0202020202020202", "0303030303030303"]);
    assert_eq!(receiver.requests(), (2, 1));
    assert_eq!((front.requests(), front.forwarded()), (3, 3));
}

#[tokio::test]
async fn front_grpc_forwards_request_larger_than_window() {
    let (receiver, front) = before_receiver(FrontProtocol::Grpc).await;
    let mut export = spans([1]);
    export.resource_spans[0].scope_spans[0].spans[0].name = "x".repeat(3 << 20);
    client(&front).await.export(export).await.unwrap();
    assert_eq!(receiver.spans()[0].name().len(), 3 << 20);
}

#[tokio::test]
async fn front_grpc_fault_applies_to_next_request_when_open() {
    let (receiver, front) = before_receiver(FrontProtocol::Grpc).await;
    let mut client = client(&front).await;
    client.export(spans([1])).await.unwrap();
    let after = Some(Duration::from_millis(7_500));
    // google.rpc.Status { message: "the front refuses", details: [RetryInfo { retry_delay: 7.5 s }] }
    let status = |code: u8| {
        [
            &[8, code],
            b"\x12\x11the front refuses\x1a\x36\x0a\x28type.googleapis.com/google.rpc.RetryInfo".as_slice(),
            b"\x12\x0a\x0a\x08\x08\x07\x10\x80\xca\xb5\xee\x01",
        ]
        .concat()
    };
    for (fault, code, details) in [
        (Fault::TooMany { retry_after: after }, Code::ResourceExhausted, status(8)),
        (Fault::TooMany { retry_after: None }, Code::ResourceExhausted, vec![]),
        (Fault::Unavailable { retry_after: after }, Code::Unavailable, status(14)),
        (Fault::Unavailable { retry_after: None }, Code::Unavailable, vec![]),
        (Fault::Rejects, Code::InvalidArgument, vec![]),
    ] {
        front.set(fault);
        let failure = failure(&mut client).await;
        assert_eq!((failure.code(), failure.message()), (code, "the front refuses"), "{fault:?}");
        assert_eq!(failure.details(), details, "{fault:?}");
    }
    front.set(Fault::None);
    client.export(spans([2])).await.unwrap();
    assert_eq!((front.requests(), front.forwarded()), (7, 2));
    assert_eq!(received(&receiver), ["0101010101010101", "0202020202020202"]);
}

#[tokio::test]
async fn front_grpc_hanging_request_unanswered_next_answered() {
    let (receiver, front) = before_receiver(FrontProtocol::Grpc).await;
    let mut client = client(&front).await;
    client.export(spans([1])).await.unwrap();
    front.set(Fault::Hanging);
    let mut hanging = client.clone();
    let hanging = tokio::spawn(async move { hanging.export(spans([2])).await });
    assert!(front.wait_for(|front| front.requests() == 2, LIMIT).await);

    front.set(Fault::None);
    client.export(spans([3])).await.unwrap();
    assert!(!hanging.is_finished());
    assert_eq!(received(&receiver), ["0101010101010101", "0303030303030303"]);
    front.set(Fault::Refused);
    assert!(tokio::time::timeout(LIMIT, hanging).await.expect("an end").unwrap().is_err());
}

#[tokio::test]
async fn front_grpc_slow_delays_and_forwards_if_client_leaves() {
    let (receiver, front) = before_receiver(FrontProtocol::Grpc).await;
    front.set(Fault::Slow(Duration::from_millis(50)));
    let mut client = client(&front).await;
    let start = Instant::now();
    client.export(spans([1])).await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(50));

    let leaving = tokio::spawn(async move { client.export(spans([2])).await });
    assert!(front.wait_for(|front| front.requests() == 2, LIMIT).await);
    leaving.abort();
    assert!(front.wait_for(|front| front.forwarded() == 2, LIMIT).await);
    assert_eq!(received(&receiver), ["0101010101010101", "0202020202020202"]);
}

#[tokio::test]
async fn front_grpc_cut_response_fails_unforwarded_then_reconnects() {
    let (receiver, front) = before_receiver(FrontProtocol::Grpc).await;
    let mut client = client(&front).await;
    for fault in [Fault::Garbage, Fault::CutHead, Fault::CutBody] {
        front.set(fault);
        let failure = failure(&mut client).await;
        assert_ne!(failure.code(), Code::Ok, "{fault:?}");
    }
    assert_eq!((front.requests(), front.forwarded()), (3, 0));
    front.set(Fault::None);
    client.export(spans([1])).await.unwrap();
    assert_eq!(received(&receiver), ["0101010101010101"]);
}

#[tokio::test]
async fn front_grpc_partial_drops_part_and_forwards_rest() {
    let (receiver, front) = before_receiver(FrontProtocol::Grpc).await;
    front.set(Fault::Partial(4));
    let mut traces = client(&front).await;
    let rejected = traces.export(spans(1..=10)).await.unwrap().into_inner().partial_success.unwrap();
    assert_eq!((rejected.rejected_spans, front.lost(), received(&receiver).len()), (4, 4, 6));

    let metrics = MetricsServiceClient::connect(front.endpoint()).await.unwrap();
    let mut metrics = metrics.send_compressed(CompressionEncoding::Gzip);
    let rejected = metrics.export(fifteen_points()).await.unwrap().into_inner().partial_success.unwrap();
    assert_eq!((rejected.rejected_data_points, front.lost(), points(&receiver)), (4, 8, 11));
    assert_eq!((front.forwarded(), receiver.requests()), (2, (1, 1)));
}

#[tokio::test]
async fn front_grpc_without_receiver_is_unavailable() {
    let front = Front::start(closed_port().unwrap(), FrontProtocol::Grpc).unwrap();
    let failure = failure(&mut client(&front).await).await;
    assert_eq!((failure.code(), front.requests(), front.forwarded()), (Code::Unavailable, 1, 0));
}
