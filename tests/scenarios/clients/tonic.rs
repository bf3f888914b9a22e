//! tonic's `Channel` below the layers: it connects from a task of its own and names no connection.

use http::Request;
use hyper_util::client::legacy::connect::HttpConnector;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use outbound_tests::otlp::Receiver;
use outbound_tests::recorder::Recorder;
use tonic::Code;
use tonic::codegen::Service;
use tonic::transport::{Channel, Endpoint};
use tower::ServiceExt as _;
use tower_http::map_request_body::MapRequestBodyLayer;
use tower_layer::Layer as _;
use tower_outbound::connect::{PhaseLayer, PhaseTimer, Protocol, Track};
use tower_outbound::observe::Observe;
use tower_outbound::{Outbound, Phase, Reuse};

use super::checks::marks_are_monotone;
use crate::support::recorded;

type Observed = Observe<tower_http::map_request_body::MapRequestBody<Channel, Boxed>>;
type Boxed = fn(tower_outbound::observe::ObserveRequestBody<tonic::body::Body>) -> tonic::body::Body;

fn endpoint(receiver: &Receiver) -> Endpoint {
    Endpoint::from_shared(receiver.grpc_endpoint()).unwrap()
}

fn connector(outbound: &Outbound) -> Track<PhaseTimer<HttpConnector>> {
    outbound.track_layer().layer(PhaseLayer::tcp().layer(HttpConnector::new()))
}

fn observed(outbound: &Outbound, receiver: &Receiver, channel: Channel) -> Observed {
    // The channel takes tonic's body only: one box.
    let boxed = MapRequestBodyLayer::new(tonic::body::Body::new as Boxed).layer(channel);
    outbound.observe_layer().origin(&receiver.grpc_endpoint().parse().unwrap()).layer(boxed)
}

fn one_span() -> ExportTraceServiceRequest {
    let span = Span { name: "GET /things".into(), ..Span::default() };
    let scoped = ScopeSpans { spans: vec![span], ..ScopeSpans::default() };
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans { scope_spans: vec![scoped], ..ResourceSpans::default() }],
    }
}

/// Makes two calls, one after the other, and checks their records.
async fn calls(service: Observed, outbound: &Outbound, recorder: &Recorder, receiver: &Receiver) {
    let mut client = TraceServiceClient::new(service);
    for _ in 0..2 {
        client.export(one_span()).await.unwrap();
    }
    assert_eq!(receiver.spans().len(), 2);
    assert_eq!(recorder.outcomes(), ["ok", "ok"], "each body has ended");

    let open = outbound.connections();
    assert_eq!(open.len(), 1);
    assert_eq!(open[0].protocol(), Some(Protocol::Http2));
    assert_eq!(open[0].origin().to_string(), receiver.grpc_endpoint());
    assert!(open[0].setup().phase(Phase::Tcp).is_some());
    assert_eq!(open[0].setup().started_by(), None, "the channel's task connected");
    for timings in recorder.timings() {
        assert_eq!(timings.attempt().origin(), open[0].origin());
        assert_eq!(timings.reuse(), Reuse::Unknown);
        assert!(timings.connection().is_none() && !timings.setup_paid());
        assert!(timings.attempt().request_body_bytes() > 0);
        assert_eq!((timings.attempt().is_grpc(), timings.attempt().grpc_status()), (true, Some(0)));
        marks_are_monotone(&timings);
    }

    drop(client);
    recorder.settled().await;
    assert_eq!(recorder.close_reasons(), ["dropped"]);
    assert_eq!(recorder.count("connected"), 1);
    assert_eq!(recorder.count("Misplaced"), 0, "the connection is tracked, though no attempt knows it");
}

#[tokio::test]
async fn tonic_connected_channel_tracked_and_calls_observed() {
    let receiver = Receiver::start().await.unwrap();
    let (outbound, recorder) = recorded();
    let channel = endpoint(&receiver).connect_with_connector(connector(&outbound)).await.unwrap();
    assert_eq!(outbound.connections().len(), 1);
    calls(observed(&outbound, &receiver, channel), &outbound, &recorder, &receiver).await;
}

#[tokio::test]
async fn tonic_lazy_channel_tracked_and_calls_observed() {
    let receiver = Receiver::start().await.unwrap();
    let (outbound, recorder) = recorded();
    let channel = endpoint(&receiver).connect_with_connector_lazy(connector(&outbound));
    assert!(outbound.connections().is_empty());
    calls(observed(&outbound, &receiver, channel), &outbound, &recorder, &receiver).await;
}

#[tokio::test]
async fn tonic_trailers_only_answer_ends_attempt() {
    let receiver = Receiver::start().await.unwrap();
    let (outbound, recorder) = recorded();
    let channel = endpoint(&receiver).connect_with_connector_lazy(connector(&outbound));
    let mut client = observed(&outbound, &receiver, channel);
    let request = Request::post("/unknown.Service/Method")
        .header("content-type", "application/grpc")
        .body(tonic::body::Body::empty())
        .unwrap();
    let response = client.ready().await.unwrap().call(request).await.unwrap();
    let status = tonic::Status::from_header_map(response.headers()).unwrap();
    assert_eq!(status.code(), Code::Unimplemented);
    assert_eq!(recorder.outcomes(), ["ok"], "ended with the head");
    assert_eq!(recorder.timings()[0].attempt().grpc_status(), Some(Code::Unimplemented as i32));
    drop((client, response));
    recorder.settled().await;
}

#[tokio::test]
async fn tonic_refused_connect_fails_call_and_leaves_nothing_open() {
    let address = outbound_tests::server::closed_port().unwrap();
    let (outbound, recorder) = recorded();
    let uri = format!("http://{address}");
    let channel =
        Endpoint::from_shared(uri.clone()).unwrap().connect_with_connector_lazy(connector(&outbound));
    let boxed = MapRequestBodyLayer::new(tonic::body::Body::new as Boxed).layer(channel);
    let service = outbound.attempt_layer().origin(&uri.parse().unwrap()).layer(boxed);
    let status = TraceServiceClient::new(service).export(one_span()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(recorder.count("connect_failed"), 1);
    assert_eq!(recorder.outcomes(), ["connection_refused in tcp"]);
    recorder.settled().await;
}
