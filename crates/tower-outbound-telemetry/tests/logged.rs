//! What is logged of a failing export.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use http::Response;
use http_body_util::{BodyExt as _, Empty};
use opentelemetry::trace::{Span, Tracer, TracerProvider};
use outbound_tests::otlp::{Fault, Front, FrontProtocol, Receiver};
use outbound_tests::server::H2Server;
use tokio::time::Instant;
use tower_outbound_telemetry::{Loss, OtlpProtocol, Report, Telemetry};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

type Fields = BTreeMap<String, String>;

/// The warnings of all pipelines of the process.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<Fields>>>);

struct Collected(Fields);

impl Visit for Collected {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}").trim_matches('"').to_owned());
    }
}

impl<S: Subscriber> Layer<S> for Log {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() <= Level::WARN {
            let mut fields = Collected(Fields::new());
            event.record(&mut fields);
            fields.0.insert("target".to_owned(), event.metadata().target().to_owned());
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(fields.0);
        }
    }
}

impl Log {
    fn get() -> &'static Log {
        static LOG: OnceLock<Log> = OnceLock::new();
        LOG.get_or_init(|| {
            let log = Log::default();
            tracing_subscriber::registry().with(log.clone()).init();
            log
        })
    }

    /// The warnings of an endpoint.
    fn of(&self, endpoint: &str) -> Vec<Fields> {
        let of = |fields: &&Fields| fields.get("endpoint").is_some_and(|value| value.contains(endpoint));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().filter(of).cloned().collect()
    }
}

/// Exports spans to this endpoint: the report, and the warnings.
fn export(protocol: OtlpProtocol, endpoint: &str, spans: usize) -> (Report, Vec<Fields>) {
    let lookup = |key: &str| match key {
        "OTEL_METRICS_EXPORTER" => Some("none".to_owned()),
        "OTEL_EXPORTER_OTLP_TIMEOUT" => Some("500".to_owned()),
        "OTEL_EXPORTER_OTLP_HEADERS" => Some("authorization=Bearer%20marker-of-a-token".to_owned()),
        _ => None,
    };
    let log = Log::get();
    let builder = Telemetry::builder("shop").lookup(lookup).without_globals().protocol(protocol);
    let telemetry = builder.endpoint(endpoint).build().unwrap();
    let tracer = telemetry.tracer_provider().unwrap().tracer("test");
    for _ in 0..spans {
        tracer.start("a span").end();
    }
    (telemetry.shutdown_blocking(), log.of(endpoint))
}

/// A server on HTTP/1.1 that answers every request with these bytes, and closes.
fn answering(answer: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, mut request) = (stream.unwrap(), Vec::new());
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or_default() > 0 {
                request.push(byte[0]);
            }
            let head = String::from_utf8_lossy(&request).to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
            let _ = stream.read_exact(&mut body);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    endpoint
}

fn refusal(status: &str, media: &str, body: &str) -> String {
    let length = body.len();
    answering(format!(
        "HTTP/1.1 {status}\r\ncontent-type: {media}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    ))
}

#[test]
fn receivers_reason_logged_with_count_of_lost_spans() {
    let json = r#"{"code":16,"message":"missing or empty authorization header"}"#;
    for (status, media, body, reason) in [
        ("401 Unauthorized", "text/plain", "missing or empty header", "missing or empty header"),
        ("401 Unauthorized", "application/json", json, "missing or empty authorization header"),
        ("400 Bad Request", "application/x-protobuf", "\x08\x03\x12\x05no no", "no no"),
        ("403 Forbidden", "text/plain", "bad token\nmarker-of-a-token", "bad token REDACTED"),
    ] {
        let endpoint = refusal(status, media, body);
        let (report, warnings) = export(OtlpProtocol::HttpProtobuf, &endpoint, 3);
        assert_eq!(report.spans().lost_by(Loss::Rejected), 3, "{report}");
        let [warning] = &warnings[..] else { panic!("one warning: {warnings:?}") };
        assert_eq!(warning["message"], "telemetry was lost");
        assert_eq!(warning["cause"], format!("{status}: {reason}"));
        assert_eq!((&*warning["lost"], &*warning["reason"]), ("3", "rejected"));
    }
}

#[test]
fn reason_of_long_answer_is_bounded() {
    let endpoint = refusal("500 Internal Server Error", "text/plain", &"x".repeat(1 << 20));
    let (report, warnings) = export(OtlpProtocol::HttpProtobuf, &endpoint, 1);
    assert_eq!(report.spans().lost_by(Loss::Rejected), 1, "{report}");
    assert!(warnings[0]["cause"].len() < 400, "{} bytes", warnings[0]["cause"].len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grpc_reason_is_logged() {
    // 16: UNAUTHENTICATED.
    let answer = async |_| {
        let head = Response::builder().header("grpc-status", "16").header("grpc-message", "no%20token");
        head.body(Empty::<bytes::Bytes>::new().boxed()).unwrap()
    };
    let server = H2Server::builder().start(answer).await.unwrap();
    let endpoint = format!("http://{}", server.address());
    let exported = tokio::task::spawn_blocking(move || export(OtlpProtocol::Grpc, &endpoint, 2));
    let (report, warnings) = exported.await.unwrap();
    assert_eq!(report.spans().lost_by(Loss::Rejected), 2, "{report}");
    assert_eq!((warnings.len(), &*warnings[0]["cause"]), (1, "Unauthenticated: no token"));
}

#[test]
fn partial_success_logged_with_receivers_message() {
    for protocol in [OtlpProtocol::Grpc, OtlpProtocol::HttpProtobuf, OtlpProtocol::HttpJson] {
        let (_receiver, front) = front(protocol);
        front.set(Fault::Partial(2));
        let (report, warnings) = export(protocol, &front.endpoint(), 5);
        assert_eq!((report.spans().delivered(), report.spans().lost_by(Loss::Rejected)), (3, 2), "{report}");
        let lost: Vec<_> =
            warnings.iter().filter(|warning| warning["message"] == "telemetry was lost").collect();
        assert_eq!((lost.len(), &*lost[0]["cause"], &*lost[0]["lost"]), (1, "the front rejects some", "2"));
        let log = Log::get().0.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(!log.iter().any(|fields| fields["target"] == "opentelemetry-otlp"), "only ours speaks");
    }
}

#[test]
fn wrong_port_is_named_as_the_other_protocol() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let receiver = runtime.block_on(Receiver::start()).unwrap();
    // Go's HTTP server, and so the Collector, answers; hyper's closes.
    let go = refusal("400 Bad Request", "text/plain", "");
    for (protocol, endpoint, perhaps) in [
        (OtlpProtocol::Grpc, receiver.http_endpoint(), "HTTP on 4318"),
        (OtlpProtocol::Grpc, go, "HTTP on 4318"),
        (OtlpProtocol::HttpProtobuf, receiver.grpc_endpoint(), "gRPC on 4317"),
        (OtlpProtocol::HttpJson, receiver.grpc_endpoint(), "gRPC on 4317"),
    ] {
        let (report, warnings) = export(protocol, &endpoint, 1);
        assert_eq!(report.spans().lost_by(Loss::Broken), 1, "{report}");
        // An earlier test may have had the same port.
        let cause = warnings.iter().filter_map(|fields| fields.get("cause")).next_back().expect("a cause");
        assert!(cause.contains(perhaps) && !cause.contains("Failure"), "{cause}");
    }
}

/// The queue holds ten spans, and the receiver answers nothing.
#[test]
fn full_queue_is_logged_while_the_receiver_hangs() {
    let (_receiver, front) = front(OtlpProtocol::HttpProtobuf);
    front.set(Fault::Hanging);
    let log = Log::get();
    let lookup = |key: &str| (key == "OTEL_BSP_MAX_QUEUE_SIZE").then(|| "10".to_owned());
    let builder = Telemetry::builder("shop").lookup(lookup).without_globals().endpoint(front.endpoint());
    let telemetry = builder.shutdown_timeout(Duration::ZERO).build().unwrap();
    let tracer = telemetry.tracer_provider().unwrap().tracer("test");
    let begin = Instant::now();
    let full =
        || log.of(&front.endpoint()).into_iter().find(|fields| fields["message"].contains("queue is full"));
    while full().is_none() {
        assert!(begin.elapsed() < Duration::from_secs(3), "not said");
        tracer.start("a span").end();
    }
    assert_ne!(full().unwrap()["lost"], "0");
    let _ = telemetry.shutdown_blocking();
}

fn front(protocol: OtlpProtocol) -> (Receiver, Front) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let receiver = runtime.block_on(Receiver::start()).unwrap();
    let (address, protocol) = match protocol {
        OtlpProtocol::Grpc => (receiver.grpc_address(), FrontProtocol::Grpc),
        _ => (receiver.http_address(), FrontProtocol::Http),
    };
    let front = Front::start(address, protocol).unwrap();
    (receiver, front)
}
