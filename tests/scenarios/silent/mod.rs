//! A connection that receives nothing while attempts time out is retired: no further request uses it.

mod clients;
mod half_open;
mod kept;
mod lost;
mod retired;

use std::time::Duration;

use http::Request;
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::Connect;
use hyper_util::rt::TokioExecutor;
use outbound_tests::recorder::Recorder;
use outbound_tests::secret;
use outbound_tests::server::{Script, ScriptedServer};
use tower::ServiceExt as _;
use tower_layer::Layer as _;
use tower_outbound::outbound::OutboundBuilder;
use tower_outbound::timeouts::Timeouts;
use tower_outbound::{Error, Event, Kind, Outbound};

use crate::support::{Body, Stack};

const SECOND: Duration = Duration::from_secs(1);

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A frame (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    [&[0, 0, payload.len() as u8, kind, flags, 0, 0, 0, stream], payload].concat()
}

/// The peer's SETTINGS, and the acknowledgement of the client's.
fn settings() -> Vec<u8> {
    [frame(SETTINGS, 0, 0, &[]), frame(SETTINGS, 1, 0, &[])].concat()
}

fn ping() -> Vec<u8> {
    frame(PING, 0, 0, &[0; 8])
}

/// `:status: 200`, with END_STREAM if `ends`.
fn ok(stream: u8, ends: bool) -> Vec<u8> {
    frame(HEADERS, if ends { 5 } else { 4 }, stream, &[0x88])
}

/// Responds to one request after 10 ms.
fn responds_once() -> Script {
    Script::new().write(settings()).sleep(ms(10)).write(ok(1, true))
}

/// Responds to one request, then stays silent.
fn silent() -> Script {
    responds_once().read_to_end()
}

/// The frames of the client: type, stream, and the first four bytes of the payload as a number.
fn sent(server: &ScriptedServer, connection: usize) -> Vec<(u8, u32, u32)> {
    let raw = server.log()[connection].raw.clone();
    let number = |bytes: &[u8]| bytes.iter().take(4).fold(0, |sum, byte| sum << 8 | u32::from(*byte));
    let mut rest = raw.strip_prefix(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    let mut frames = Vec::new();
    while rest.len() >= 9 {
        let length = number(&rest[..3]) as usize;
        let payload = &rest[9..rest.len().min(9 + length)];
        frames.push((rest[3], number(&rest[5..9]), number(payload)));
        rest = &rest[rest.len().min(9 + length)..];
    }
    frames
}

/// The streams that the client has opened.
fn opened(server: &ScriptedServer, connection: usize) -> Vec<u32> {
    let frames = sent(server, connection);
    frames.iter().filter(|frame| frame.0 == HEADERS).map(|frame| frame.1).collect()
}

fn builder(recorder: &Recorder) -> OutboundBuilder {
    let retired = |event: &Event<'_>| {
        if let Event::ConnectionRetired { connection, reason, .. } = event {
            assert_eq!(reason.as_str(), "silent");
            assert_eq!(connection.state(), tower_outbound::connect::ConnectionState::Draining);
        }
    };
    Outbound::builder()
        .observer(recorder.clone())
        .observer(retired)
        .timeouts(Timeouts::new().first_byte(SECOND))
}

fn recorded() -> (Outbound, Recorder) {
    let recorder = Recorder::new();
    (builder(&recorder).build(), recorder)
}

fn http2<C: Connect + Clone>(outbound: &Outbound, connector: C) -> Stack<C> {
    outbound.attempt_layer().layer(Client::builder(TokioExecutor::new()).http2_only(true).build(connector))
}

fn request(server: &ScriptedServer) -> Request<Body> {
    secret::request(&server.uri("/"), Body::default())
}

/// A request without a timeout.
fn patient(server: &ScriptedServer) -> Request<Body> {
    let mut request = request(server);
    request.extensions_mut().insert(Timeouts::new().first_byte(Duration::ZERO));
    request
}

async fn get<C>(client: &Stack<C>, request: Request<Body>) -> Result<usize, Error>
where
    C: Connect + Clone + Send + Sync + 'static,
{
    let attempt = async {
        let response = client.clone().oneshot(request).await?;
        Ok(response.into_body().collect().await?.to_bytes().len())
    };
    tokio::time::timeout(Duration::from_secs(3600), attempt).await.expect("the attempt hangs")
}

/// Sends a request that succeeds, then waits 1 ms without traffic.
async fn warm_up<C>(client: &Stack<C>, server: &ScriptedServer)
where
    C: Connect + Clone + Send + Sync + 'static,
{
    get(client, request(server)).await.unwrap();
    tokio::time::sleep(ms(1)).await;
}

async fn time_out<C>(client: &Stack<C>, request: Request<Body>)
where
    C: Connect + Clone + Send + Sync + 'static,
{
    let error = get(client, request).await.unwrap_err();
    assert_eq!(error.failure().kind(), Kind::ResponseTimeout);
    assert!(error.failure().to_string().contains("timeout"), "{}", error.failure());
}

/// Whether the chain contains the error of a retired connection's IO.
fn is_silent_error(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut chain = std::iter::successors(Some(error), |error| error.source());
    chain.any(|level| level.to_string().contains("was silent while attempts timed out"))
}

/// Lets every task run until it is idle.
async fn rest() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}
