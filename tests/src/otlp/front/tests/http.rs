//! Each fault over HTTP/1.1.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message as _;
use tokio::time::Instant;

use super::{EMPTY, Http, LIMIT, before_receiver, fifteen_points, points, received, spans};
use crate::otlp::{Fault, Front, FrontProtocol};
use crate::server::closed_port;

const OK: &str = "HTTP/1.1 200 OK";

#[tokio::test]
async fn front_http_forwards_each_export_once() {
    let (receiver, front) = before_receiver(FrontProtocol::Http).await;
    let mut client = Http::open(&front).await;
    assert_eq!(client.post(&spans([1, 2]).encode_to_vec()).await, OK);
    assert_eq!(client.post(&spans([3]).encode_to_vec()).await, OK);
    client.send("/v1/metrics", "", &fifteen_points().encode_to_vec()).await;
    assert!(client.answer().await.0.starts_with(OK));
    assert_eq!(client.post(b"\xff").await, "HTTP/1.1 400 Bad Request");

    assert_eq!(received(&receiver), ["0101010101010101", "0202020202020202", "0303030303030303"]);
    assert_eq!(receiver.span_ids().len(), 3);
    assert_eq!(receiver.requests(), (2, 1));
    assert_eq!((front.requests(), front.forwarded()), (4, 4));
}

#[tokio::test]
async fn front_http_fault_applies_to_next_request_when_open() {
    let (receiver, front) = before_receiver(FrontProtocol::Http).await;
    let mut client = Http::open(&front).await;
    let after = Some(Duration::from_millis(6_001));
    for (fault, line, retry_after) in [
        (Fault::TooMany { retry_after: after }, "HTTP/1.1 429 Too Many Requests", Some("retry-after: 7")),
        (Fault::TooMany { retry_after: None }, "HTTP/1.1 429 Too Many Requests", None),
        (
            Fault::Unavailable { retry_after: after },
            "HTTP/1.1 503 Service Unavailable",
            Some("retry-after: 7"),
        ),
        (Fault::Unavailable { retry_after: None }, "HTTP/1.1 503 Service Unavailable", None),
        (Fault::Rejects, "HTTP/1.1 400 Bad Request", None),
        (Fault::None, OK, None),
    ] {
        front.set(fault);
        client.send("/v1/traces", "", EMPTY).await;
        let (head, _) = client.answer().await;
        assert_eq!(head.lines().next(), Some(line));
        assert_eq!(head.lines().find(|line| line.starts_with("retry-after")), retry_after, "{fault:?}");
    }
    assert_eq!((front.requests(), front.forwarded(), receiver.requests()), (6, 1, (1, 0)));
}

#[tokio::test]
async fn front_http_rejects_with_otlp_status_message() {
    let (_receiver, front) = before_receiver(FrontProtocol::Http).await;
    front.set(Fault::Rejects);
    let mut client = Http::open(&front).await;
    client.send("/v1/traces", "", EMPTY).await;
    let (head, body) = client.answer().await;
    assert!(head.contains("\r\ncontent-type: application/x-protobuf\r\n"), "{head}");
    assert_eq!(body, b"\x08\x03\x12\x11the front refuses");
}

#[tokio::test]
async fn front_http_hanging_unanswered_next_connection_answered() {
    let (receiver, front) = before_receiver(FrontProtocol::Http).await;
    let mut hanging = Http::open(&front).await;
    assert_eq!(hanging.post(EMPTY).await, OK);
    front.set(Fault::Hanging);
    hanging.send("/v1/traces", "", &spans([1]).encode_to_vec()).await;
    assert!(front.wait_for(|front| front.requests() == 2, LIMIT).await);

    front.set(Fault::None);
    assert_eq!(Http::open(&front).await.post(&spans([2]).encode_to_vec()).await, OK);
    assert!(hanging.has_nothing_to_read());
    assert_eq!(received(&receiver), ["0202020202020202"]);
}

#[tokio::test]
async fn front_http_slow_delays_and_forwards_if_client_leaves() {
    let (receiver, front) = before_receiver(FrontProtocol::Http).await;
    front.set(Fault::Slow(Duration::from_millis(50)));
    let start = Instant::now();
    assert_eq!(Http::open(&front).await.post(&spans([1]).encode_to_vec()).await, OK);
    assert!(start.elapsed() >= Duration::from_millis(50));

    let mut leaving = Http::open(&front).await;
    leaving.send("/v1/traces", "", &spans([2]).encode_to_vec()).await;
    assert!(front.wait_for(|front| front.requests() == 2, LIMIT).await);
    assert_eq!(front.forwarded(), 1);
    drop(leaving);
    assert!(front.wait_for(|front| front.forwarded() == 2, LIMIT).await);
    assert_eq!(received(&receiver), ["0101010101010101", "0202020202020202"]);
}

#[tokio::test]
async fn front_http_garbage_or_cut_head_ends_without_forwarding() {
    let (receiver, front) = before_receiver(FrontProtocol::Http).await;
    for (fault, bytes) in [(Fault::Garbage, "220 smtp ready\r\n"), (Fault::CutHead, "HTTP/1.1 2")] {
        front.set(Fault::None);
        let mut client = Http::open(&front).await;
        assert_eq!(client.post(EMPTY).await, OK);
        front.set(fault);
        client.send("/v1/traces", "", &spans([1]).encode_to_vec()).await;
        assert_eq!(String::from_utf8(client.rest().await).unwrap(), bytes);
    }
    assert_eq!((front.requests(), front.forwarded(), received(&receiver)), (4, 2, vec![]));
}

#[tokio::test]
async fn front_http_cut_body_is_forwarded_and_3_of_100_bytes_sent() {
    let (receiver, front) = before_receiver(FrontProtocol::Http).await;
    front.set(Fault::CutBody);
    let mut client = Http::open(&front).await;
    assert_eq!(client.post(b"\xff").await, "HTTP/1.1 400 Bad Request");
    client.send("/v1/traces", "", &spans([1]).encode_to_vec()).await;
    let answer = String::from_utf8(client.rest().await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\ncut"), "{answer}");
    assert_eq!((front.forwarded(), received(&receiver)), (2, vec!["01".repeat(8)]));
}

#[tokio::test]
async fn front_http_partial_drops_part_and_forwards_rest() {
    let (receiver, front) = before_receiver(FrontProtocol::Http).await;
    front.set(Fault::Partial(4));
    let mut client = Http::open(&front).await;
    client.send("/v1/traces", "", &spans(1..=10).encode_to_vec()).await;
    let (head, body) = client.answer().await;
    assert!(head.starts_with(OK) && head.contains("\r\ncontent-type: application/x-protobuf\r\n"), "{head}");
    let rejected = ExportTraceServiceResponse::decode(&*body).unwrap().partial_success.unwrap();
    assert_eq!((rejected.rejected_spans, front.lost(), received(&receiver).len()), (4, 4, 6));

    // At most the items of the request.
    front.set(Fault::Partial(20));
    let zipped = crate::otlp::tests::gzip(&fifteen_points().encode_to_vec());
    client.send("/v1/metrics", "content-encoding: gzip\r\n", &zipped).await;
    let (_, body) = client.answer().await;
    let rejected = ExportMetricsServiceResponse::decode(&*body).unwrap().partial_success.unwrap();
    assert_eq!((rejected.rejected_data_points, front.lost(), points(&receiver)), (15, 19, 0));

    assert_eq!(client.post(b"\xff").await, "HTTP/1.1 400 Bad Request");
    assert_eq!((front.forwarded(), receiver.requests()), (2, (1, 1)));
}

#[tokio::test]
async fn front_http_without_receiver_is_bad_gateway() {
    let front = Front::start(closed_port().unwrap(), FrontProtocol::Http).unwrap();
    let mut client = Http::open(&front).await;
    for fault in [Fault::None, Fault::CutBody] {
        front.set(fault);
        assert_eq!(client.post(EMPTY).await, "HTTP/1.1 502 Bad Gateway");
    }
    assert_eq!((front.requests(), front.forwarded()), (2, 0));
}
