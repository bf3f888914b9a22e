//! Requests to the receiver: TLS, headers, compression.

use std::collections::HashMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use opentelemetry::trace::{Span, Tracer, TracerProvider};
use outbound_tests::certs::Certs;
use outbound_tests::otlp::Receiver;
use outbound_tests::server::H2Server;
use rustls::ServerConfig;
use tempfile::NamedTempFile;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tower_outbound_telemetry::{Loss, OtlpProtocol, Report, Telemetry};

const PROTOCOLS: [OtlpProtocol; 3] = [OtlpProtocol::Grpc, OtlpProtocol::HttpProtobuf, OtlpProtocol::HttpJson];

/// A TLS proxy before a receiver; returns the port.
async fn tls_front(upstream: SocketAddr, config: Arc<ServerConfig>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = TlsAcceptor::from(config);
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut tls) = acceptor.accept(tcp).await else { return };
                let mut upstream = TcpStream::connect(upstream).await.unwrap();
                let _ = copy_bidirectional(&mut tls, &mut upstream).await;
            });
        }
    });
    port
}

fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn path(file: &NamedTempFile) -> String {
    file.path().to_str().unwrap().to_owned()
}

/// Exports one span to this endpoint, with these variables.
async fn export(
    protocol: OtlpProtocol,
    endpoint: String,
    variables: HashMap<&'static str, String>,
) -> (Report, Vec<String>) {
    let builder = Telemetry::builder("shop").lookup(move |key| variables.get(key).cloned()).without_globals();
    let telemetry = builder.protocol(protocol).endpoint(endpoint).build().unwrap();
    telemetry.tracer_provider().unwrap().tracer("test").start("a span").end();
    let warnings = telemetry.warnings().iter().map(ToString::to_string).collect();
    (telemetry.shutdown().await, warnings)
}

fn address(receiver: &Receiver, protocol: OtlpProtocol) -> SocketAddr {
    match protocol {
        OtlpProtocol::Grpc => receiver.grpc_address(),
        _ => receiver.http_address(),
    }
}

fn alpn(protocol: OtlpProtocol) -> &'static [&'static str] {
    match protocol {
        OtlpProtocol::Grpc => &["h2"],
        _ => &["http/1.1"],
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_receiver_trusted_only_with_configured_certificate() {
    let certs = Certs::new("collector.test");
    let roots = file(certs.authority_pem());
    for protocol in PROTOCOLS {
        let receiver = Receiver::start().await.unwrap();
        let port = tls_front(address(&receiver, protocol), certs.server_config(alpn(protocol))).await;
        let endpoint = format!("https://localhost:{port}");
        let named = HashMap::from([("OTEL_EXPORTER_OTLP_CERTIFICATE", path(&roots))]);
        let (report, warnings) = export(protocol, endpoint.clone(), named).await;
        assert!(report.is_complete() && receiver.spans().len() == 1, "{protocol:?}: {report}");
        assert_eq!(warnings, [""; 0]);

        let (report, _) = export(protocol, endpoint, HashMap::new()).await;
        assert_eq!((report.spans().lost(), report.spans().lost_by(Loss::Refused)), (1, 1), "{report}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_client_certificate_presented_to_receiver() {
    let certs = Certs::new("collector.test");
    let client = Certs::new("client.test");
    let files = [certs.authority_pem(), client.certificate_pem(), &client.key_pem()].map(file);
    for protocol in PROTOCOLS {
        let receiver = Receiver::start().await.unwrap();
        let config = certs.server_config_asking_for(&client, alpn(protocol));
        let port = tls_front(address(&receiver, protocol), config).await;
        let endpoint = format!("https://localhost:{port}");
        let mut variables = HashMap::from([("OTEL_EXPORTER_OTLP_CERTIFICATE", path(&files[0]))]);
        let (report, _) = export(protocol, endpoint.clone(), variables.clone()).await;
        assert_eq!(report.spans().lost(), 1, "without one: {report}");
        variables.insert("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", path(&files[1]));
        variables.insert("OTEL_EXPORTER_OTLP_CLIENT_KEY", path(&files[2]));
        let (report, warnings) = export(protocol, endpoint, variables).await;
        assert!(report.is_complete() && receiver.spans().len() == 1, "{protocol:?}: {report} {warnings:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compressed_export_and_answer_are_understood() {
    let encodings: &[&str] =
        if cfg!(feature = "zstd") { &["none", "gzip", "zstd"] } else { &["none", "gzip"] };
    for (protocol, encoding) in PROTOCOLS.into_iter().flat_map(|p| encodings.iter().map(move |e| (p, e))) {
        let receiver = Receiver::start().await.unwrap();
        let endpoint = format!("http://{}", address(&receiver, protocol));
        let variables = HashMap::from([("OTEL_EXPORTER_OTLP_COMPRESSION", (*encoding).to_owned())]);
        let (report, warnings) = export(protocol, endpoint, variables).await;
        let whole = report.is_complete() && receiver.spans().len() == 1 && !receiver.metrics().is_empty();
        assert!(whole, "{protocol:?} {encoding}: {report} {warnings:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rejected_part_in_compressed_answer_is_counted() {
    let answer = async |request: http::Request<hyper::body::Incoming>| {
        assert_eq!(request.headers()["grpc-encoding"], "gzip");
        // A partial success: 1 rejected, "no".
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gzip.write_all(b"\x0a\x06\x08\x01\x12\x02no").unwrap();
        let message = gzip.finish().unwrap();
        let frame = [&[1, 0, 0, 0, message.len() as u8], &*message].concat();
        let trailers = http::HeaderMap::from_iter([(
            http::HeaderName::from_static("grpc-status"),
            http::HeaderValue::from_static("0"),
        )]);
        let body = Full::new(Bytes::from(frame)).with_trailers(std::future::ready(Some(Ok(trailers))));
        http::Response::builder().header("grpc-encoding", "gzip").body(body).unwrap()
    };
    let server = H2Server::builder().start(answer).await.unwrap();
    let variables = HashMap::from([
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip".to_owned()),
        ("OTEL_METRICS_EXPORTER", "none".to_owned()),
    ]);
    let (report, _) = export(OtlpProtocol::Grpc, format!("http://{}", server.address()), variables).await;
    assert_eq!((report.spans().lost(), report.spans().lost_by(Loss::Rejected)), (1, 1), "{report}");
}

/// Counts connections, whose handshakes fail. Returns the port.
async fn counted_handshakes(config: Arc<ServerConfig>) -> (u16, Arc<AtomicUsize>) {
    let front = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = front.local_addr().unwrap().port();
    let acceptor = TlsAcceptor::from(config);
    let accepted = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&accepted);
    tokio::spawn(async move {
        while let Ok((tcp, _)) = front.accept().await {
            count.fetch_add(1, Ordering::Relaxed);
            // An early close would be a reset, which may reach the client before the alert.
            if let Err((_, mut tcp)) = acceptor.accept(tcp).into_fallible().await {
                let _ = tokio::io::copy(&mut tcp, &mut tokio::io::sink()).await;
            }
        }
    });
    (port, accepted)
}

async fn is_not_retried(protocol: OtlpProtocol, config: Arc<ServerConfig>, roots: Option<&NamedTempFile>) {
    let (port, accepted) = counted_handshakes(config).await;
    let mut variables = HashMap::from([("OTEL_METRICS_EXPORTER", "none".to_owned())]);
    variables.extend(roots.map(|roots| ("OTEL_EXPORTER_OTLP_CERTIFICATE", path(roots))));
    let (report, _) = export(protocol, format!("https://localhost:{port}"), variables).await;
    assert_eq!(report.spans().lost_by(Loss::Refused), 1, "{protocol:?}: {report}");
    assert_eq!(accepted.load(Ordering::Relaxed), 1, "{protocol:?}: one handshake for one batch");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn untrusted_certificate_is_not_retried() {
    let certs = Certs::new("collector.test");
    for protocol in PROTOCOLS {
        is_not_retried(protocol, certs.server_config(alpn(protocol)), None).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn missing_client_certificate_is_not_retried() {
    let (certs, client) = (Certs::new("collector.test"), Certs::new("client.test"));
    let roots = file(certs.authority_pem());
    for protocol in PROTOCOLS {
        let config = certs.server_config_asking_for(&client, alpn(protocol));
        is_not_retried(protocol, config, Some(&roots)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn request_above_64_mib_counts_as_failed() {
    for protocol in [OtlpProtocol::Grpc, OtlpProtocol::HttpProtobuf] {
        let receiver = Receiver::start().await.unwrap();
        let builder = Telemetry::builder("shop").lookup(|_| None).without_globals().protocol(protocol);
        let builder = builder.endpoint(format!("http://{}", address(&receiver, protocol)));
        let telemetry = builder.build().unwrap();
        let tracer = telemetry.tracer_provider().unwrap().tracer("test");
        for _ in 0..2 {
            tracer.start("x".repeat(33 << 20)).end();
        }
        let report = telemetry.force_flush().unwrap();
        assert_eq!((report.spans().lost(), report.spans().lost_by(Loss::Failed)), (2, 2), "{report}");
        tracer.start("a span").end();
        let report = telemetry.shutdown().await;
        assert_eq!((report.spans().delivered(), receiver.spans().len()), (1, 1), "{report}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_and_gzip_encoding_sent_in_grpc_export() {
    let (seen, mut requests) = tokio::sync::mpsc::unbounded_channel();
    let answer = move |request: http::Request<_>| {
        let _ = seen.send(request.into_parts().0);
        // 16: UNAUTHENTICATED, not retryable.
        async { http::Response::builder().header("grpc-status", "16").body(String::new()).unwrap() }
    };
    let server = H2Server::builder().start(answer).await.unwrap();
    let variables = HashMap::from([
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20marker,x-tenant=a".to_owned()),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip".to_owned()),
        ("OTEL_METRICS_EXPORTER", "none".to_owned()),
    ]);
    let endpoint = format!("http://user:marker@{}", server.address());
    let (report, _) = export(OtlpProtocol::Grpc, endpoint, variables).await;
    assert_eq!(report.spans().lost_by(Loss::Rejected), 1, "{report}");
    let head = requests.recv().await.unwrap();
    let header = |name: &str| head.headers[name].to_str().unwrap().to_owned();
    assert_eq!(head.uri.authority().unwrap().as_str(), server.address().to_string(), "without the user");
    assert_eq!(head.uri.path(), "/opentelemetry.proto.collector.trace.v1.TraceService/Export");
    assert_eq!([header("content-type"), header("te")], ["application/grpc", "trailers"]);
    assert_eq!([header("authorization"), header("x-tenant")], ["Bearer marker", "a"]);
    assert_eq!(header("grpc-encoding"), "gzip");
    let agent = header("user-agent");
    assert!(agent.starts_with("OTel-OTLP-Exporter-Rust/"), "{agent}");
    assert!(requests.try_recv().is_err(), "an answer that is final is not asked for again");
}
