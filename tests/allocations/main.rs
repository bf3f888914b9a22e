//! Allocations of the layers per request, above those of the bare client.

mod retry;
mod telemetry;

use std::convert::Infallible;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tower::{Service, ServiceExt as _};
use tower_layer::Layer as _;
use tower_outbound::Outbound;
use tower_outbound::deadline::DeadlineHeaders;
use tower_outbound::timeouts::Timeouts;

const WARM_UP: u64 = 50;
const REQUESTS: u64 = 1_000;

/// Allocations of a request above the bare client, without an observer: the attempt, its call, the connection in the
/// response's extensions (inserted by hyper-util), and the timings there.
const LAYERED: u64 = 4;

/// A server on a thread of its own, whose allocations are not counted.
fn serve(body: &'static [u8], chunks: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                stream.set_nodelay(true).unwrap();
                let mut buffer = [0; 4096];
                let mut response = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
                for _ in 0..chunks {
                    response.extend(format!("{:x}\r\n", body.len()).bytes());
                    response.extend(body);
                    response.extend(b"\r\n");
                }
                response.extend(b"0\r\n\r\n");
                while stream.read(&mut buffer).is_ok_and(|read| read > 0) {
                    if stream.write_all(&response).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

/// Allocations per request on this thread, including the client's tasks.
fn per_request<S, B>(make: impl FnOnce() -> S, address: SocketAddr) -> f64
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone,
    S::Error: std::fmt::Debug,
    B: http_body::Body,
    B::Error: std::fmt::Debug,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = {
        let _guard = runtime.enter();
        make()
    };
    let uri: http::Uri = format!("http://{address}/").parse().unwrap();
    let send = |requests| {
        runtime.block_on(async {
            for _ in 0..requests {
                let mut request = Request::new(Full::from("upload"));
                *request.uri_mut() = uri.clone();
                let response = client.clone().oneshot(request).await.unwrap();
                let mut body = std::pin::pin!(response.into_body());
                while let Some(frame) = body.frame().await {
                    frame.unwrap();
                }
            }
        });
    };
    send(WARM_UP);
    let info = allocation_counter::measure(|| send(REQUESTS));
    info.count_total as f64 / REQUESTS as f64
}

fn bare(address: SocketAddr) -> f64 {
    per_request(|| Client::builder(TokioExecutor::new()).build(HttpConnector::new()), address)
}

fn layered(outbound: &Outbound, address: SocketAddr) -> f64 {
    let connector = outbound.connector(outbound.http_connector());
    per_request(
        || outbound.attempt_layer().layer(Client::builder(TokioExecutor::new()).build(connector)),
        address,
    )
}

#[test]
fn allocations_without_observer_are_four_at_most() {
    let address = serve(b"response", 1);
    let (bare, layered) = (bare(address), layered(&Outbound::new(), address));
    println!("allocations per request: bare {bare:.2}, layered without an observer {layered:.2}");
    assert!(layered - bare <= LAYERED as f64 + 0.05, "bare {bare}, layered {layered}");
}

/// A deadline is a number in the call and shares the timer of the timeouts. A body that comes late has a timer of its own; a
/// header is two allocations.
#[test]
fn allocations_deadline_adds_one_at_most_its_header_two_more() {
    let (one, many) = (serve(b"response", 1), serve(&[b'x'; 2_000], 100));
    let limit = || Outbound::builder().timeouts(Timeouts::new().call(Duration::from_secs(100)));
    let headers = DeadlineHeaders::new().http(http::HeaderName::from_static("x-timeout-ms"));
    for (address, body) in [(one, "1 frame"), (many, "100 frames")] {
        let without = layered(&Outbound::new(), address);
        let with = layered(&limit().build(), address) - without;
        let header = layered(&limit().deadline_headers(headers.clone()).build(), address) - without;
        println!("allocations of a deadline, {body}: {with:.2}; with a header: {header:.2}");
        assert!(with <= 1.05 && header <= 3.05, "{body}: {with}, with a header {header}");
    }
}

/// A client that responds without a connection.
fn without_connection<B>()
-> impl Service<Request<B>, Response = Response<Full<Bytes>>, Error = Infallible> + Clone {
    tower::service_fn(|_| async { Ok(Response::new(Full::default())) })
}

/// The attempt, its call, and three for the timings in the response's extensions, which are empty otherwise.
#[test]
fn allocations_client_naming_no_connection_are_five_at_most() {
    let (address, outbound) = (serve(b"response", 1), Outbound::new());
    let (bare, layered) = (
        per_request(without_connection, address),
        per_request(|| outbound.attempt_layer().layer(without_connection()), address),
    );
    println!("allocations per request: bare {bare:.2}, layered {layered:.2}");
    assert!(layered - bare <= 5.05, "bare {bare}, layered {layered}");
}

#[test]
fn allocations_do_not_grow_with_frames_and_reads() {
    let (one, many) = (serve(b"response", 1), serve(&[b'x'; 2_000], 100));
    let few = layered(&Outbound::new(), one) - bare(one);
    let lots = layered(&Outbound::new(), many) - bare(many);
    println!("allocations over bare: {few:.2} for 1 frame, {lots:.2} for 100 frames");
    assert!((lots - few).abs() < 0.2, "{few} for 1 frame, {lots} for 100");
}

#[test]
fn allocations_observer_doing_nothing_adds_none() {
    let address = serve(b"response", 1);
    let silent = layered(&Outbound::new(), address);
    let observed =
        layered(&Outbound::builder().observer(|_: &tower_outbound::Event<'_>| {}).build(), address);
    println!("allocations per request: without an observer {silent:.2}, with one {observed:.2}");
    assert!(observed - silent < 0.05, "without an observer {silent}, with one {observed}");
}

#[test]
fn allocations_all_timeouts_together_add_none() {
    let address = serve(b"response", 1);
    let all = |time| Timeouts::new().attempt(time).first_byte(time).write_idle(time).body_idle(time);
    let with = |time| layered(&Outbound::builder().timeouts(all(time)).build(), address);
    let (without, with) = (with(Duration::ZERO), with(Duration::from_secs(60)));
    println!("allocations per request: without timeouts {without:.2}, with all four {with:.2}");
    assert!(with - without <= 0.05, "without {without}, with {with}");
}

#[test]
fn allocations_free_permit_under_both_limits_adds_none() {
    let address = serve(b"response", 1);
    let limited = Outbound::builder().max_in_flight_per_origin(50).max_in_flight(200).build();
    let (without, with) = (layered(&Outbound::new(), address), layered(&limited, address));
    println!("allocations per request: without a limit {without:.2}, with a free slot {with:.2}");
    assert!(with - without < 0.05, "without {without}, with {with}");
}

/// Allocations per pair of concurrent requests; one pair after the other.
fn per_pair(max_in_flight: usize, address: SocketAddr) -> f64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let outbound = Outbound::builder().max_in_flight_per_origin(max_in_flight).build();
    let connector = outbound.connector(outbound.http_connector());
    let _guard = runtime.enter();
    let client = outbound.attempt_layer().layer(Client::builder(TokioExecutor::new()).build(connector));
    let uri: http::Uri = format!("http://{address}/").parse().unwrap();
    let send_one = || async {
        let request = Request::get(&uri).body(Full::<Bytes>::default()).unwrap();
        client.clone().oneshot(request).await.unwrap().into_body().collect().await.unwrap();
    };
    let send = |pairs| {
        runtime.block_on(async {
            for _ in 0..pairs {
                tokio::join!(send_one(), send_one());
            }
        });
    };
    send(WARM_UP);
    allocation_counter::measure(|| send(REQUESTS)).count_total as f64 / REQUESTS as f64
}

/// Naming a connection would take seven more.
#[test]
fn allocations_waiting_for_permit_adds_two_at_most() {
    let address = serve(b"response", 1);
    let (both, one_waits) = (per_pair(2, address), per_pair(1, address));
    println!("allocations per pair: both at once {both:.2}, one waits {one_waits:.2}");
    assert!(one_waits - both <= 2.05, "both at once {both}, one waits {one_waits}");
}

#[test]
fn allocations_otel_metrics_add_none_beside_spans() {
    let address = serve(b"response", 1);
    let silent = layered(&Outbound::new(), address);
    let over = |what: &str, (observer, _providers)| {
        let observed = layered(&Outbound::builder().observer(observer).build(), address) - silent;
        println!("allocations over the layers without an observer: {observed:.2} ({what})");
        observed
    };
    let unsampled = over("metrics, spans sampled out", telemetry::observer(false, true));
    let sampled = over("metrics and spans", telemetry::observer(true, true));
    let spans_alone = over("spans alone", telemetry::observer(true, false));
    assert!((sampled - spans_alone).abs() < 0.5, "metrics: {}", sampled - spans_alone);
    assert!(unsampled < sampled);
}
