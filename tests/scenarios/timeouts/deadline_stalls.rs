//! A peer that stalls in each phase, under a deadline of 300 ms: what is reported, and that nothing is left.

use std::fmt::Write as _;
use std::io;
use std::pin::Pin;

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use outbound_tests::certs::Certs;
use outbound_tests::server::{DuplexConnector, DuplexIo, Script};
use tower::{Service, service_fn};
use tower_outbound::connect::{PhaseLayer, PhaseTimer, TunnelConnector};
use tower_outbound::deadline::DeadlineElapsed;
use tower_outbound::pool::Pool;
use tower_outbound::retry::{RetryContext, Verdict};
use tower_outbound::{Deadline, Kind, Phase, RequestExt as _};

use super::*;

const LIMIT: Duration = Duration::from_millis(300);
const TOLERANCE: Duration = Duration::from_millis(10);
const HALF: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nok";

/// Resolves names after a while, and then connects.
#[derive(Clone)]
struct Network {
    dns: Duration,
    peer: DuplexConnector,
}

impl Service<http::Uri> for Network {
    type Response = DuplexIo;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<DuplexIo, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), BoxError>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: http::Uri) -> Self::Future {
        let Self { dns, mut peer } = self.clone();
        let mut resolver = PhaseLayer::dns().layer(service_fn(move |_: String| async move {
            tokio::time::sleep(dns).await;
            Ok::<_, io::Error>(())
        }));
        Box::pin(async move {
            resolver.call(uri.host().unwrap_or_default().to_owned()).await?;
            Ok(peer.call(uri).await?)
        })
    }
}

/// A peer that stalls in this phase.
struct Stall {
    phase: Phase,
    script: Script,
    dns: Duration,
    tcp: Duration,
    scheme: &'static str,
    /// Bytes of the request's body.
    upload: usize,
    /// Requests in flight, and connections, that the stack allows.
    slots: usize,
    connections: usize,
}

impl Stall {
    fn at(phase: Phase, script: Script) -> Self {
        let (dns, tcp, none) = (ms(30), ms(10), usize::MAX);
        Self { phase, script, dns, tcp, scheme: "http", upload: 0, slots: 0, connections: none }
    }

    fn all(certs: &Certs) -> Vec<Self> {
        let tls = || Script::new().sleep(ms(50)).tls(certs.server_config(&["http/1.1"]));
        let half = || Script::new().read_request().write(HALF).hang();
        vec![
            // Another response holds the only slot, or the only connection.
            Self { slots: 1, ..Self::at(Phase::Queue, half()) },
            Self { connections: 1, ..Self::at(Phase::Acquire, half()) },
            Self { dns: HOUR, ..Self::at(Phase::Dns, Script::new().hang()) },
            Self { tcp: HOUR, ..Self::at(Phase::Tcp, Script::new().hang()) },
            Self { scheme: "https", ..Self::at(Phase::Tls, Script::new().hang()) },
            Self { upload: 1 << 20, ..Self::at(Phase::Send, Script::new().read_head().hang()) },
            Self { scheme: "https", ..Self::at(Phase::Wait, tls().read_request().hang()) },
            Self::at(
                Phase::Head,
                Script::new().read_request().sleep(ms(70)).write("HTTP/1.1 200 OK\r\nx").hang(),
            ),
            Self::at(Phase::Body, Script::new().read_request().sleep(ms(70)).write(HALF).hang()),
        ]
    }

    /// Whether the request waits for another one.
    fn is_behind_another(&self) -> bool {
        matches!(self.phase, Phase::Queue | Phase::Acquire)
    }
}

type Https = HttpsConnector<PhaseTimer<Network>>;

fn https(certs: &Certs, stall: &Stall, peer: DuplexConnector) -> Https {
    HttpsConnectorBuilder::new()
        .with_tls_config(certs.client_config(&[]))
        .https_or_http()
        .enable_http1()
        .wrap_connector(PhaseLayer::tcp().layer(Network { dns: stall.dns, peer: peer.delay(stall.tcp) }))
}

/// Sends the request, and one before if it is to wait. Returns the error and the time that the request took.
async fn stalled<S, R>(stall: &Stall, service: S, server: &ScriptedServer) -> (Error, Duration)
where
    S: Service<Request<Upload>, Response = Response<R>, Error = Error> + Clone,
    R: http_body::Body<Data = Bytes, Error = Error>,
{
    let uri = server.uri_with(stall.scheme, "example.test", "/");
    let holder = match stall.is_behind_another() {
        true => Some(service.clone().oneshot(secret::request(&uri, nothing())).await.unwrap()),
        false => None,
    };
    let upload = if stall.upload > 0 { frames(1, stall.upload, Duration::ZERO) } else { nothing() };
    let mut request = secret::request(&uri, upload);
    if stall.upload > 0 {
        *request.method_mut() = http::Method::POST;
    }
    let start = Instant::now();
    let sent = service.oneshot(request.deadline(Deadline::after(LIMIT)));
    let error = match tokio::time::timeout(HOUR, sent).await.expect("the deadline ends the call") {
        Ok(response) => response.into_body().collect().await.map(drop).unwrap_err(),
        Err(error) => error,
    };
    drop(holder);
    (error, start.elapsed())
}

#[tokio::test(start_paused = true)]
async fn deadline_in_each_phase_is_named_and_leaves_nothing() {
    let certs = Certs::new("example.test");
    let mut table =
        "| phase | client | outcome | total | split |\n| --- | --- | --- | --- | --- |\n".to_owned();
    for stall in Stall::all(&certs) {
        for own_pool in [true, false] {
            // hyper-util's client has no limit of connections.
            if !own_pool && stall.phase == Phase::Acquire {
                continue;
            }
            let (server, peer) = ScriptedServer::duplex(stall.script.clone());
            let recorder = Recorder::new();
            let outbound = Outbound::builder().observer(recorder.clone());
            let outbound = outbound.max_in_flight_per_origin(stall.slots).build();
            let connector = outbound.connector(https(&certs, &stall, peer));
            let (error, took) = if own_pool {
                let pool = Pool::builder().max_connections_per_origin(stall.connections);
                let service = outbound.layer().layer(pool.build(connector));
                stalled(&stall, service, &server).await
            } else {
                stalled(&stall, stack(&outbound, connector, false), &server).await
            };
            let (phase, failure) = (stall.phase, error.failure());
            assert_eq!((failure.kind(), failure.phase()), (Kind::DeadlineExceeded, Some(phase)), "{error:?}");
            assert!(took.abs_diff(LIMIT) <= TOLERANCE, "{phase}: {took:?}");
            let elapsed: &DeadlineElapsed = error.source().unwrap().downcast_ref().unwrap();
            let split = elapsed.attempts()[0].to_string();
            let client = if own_pool { "`Pool`" } else { "hyper-util" };
            let outcome = format!("`{} in {phase}`", failure.kind());
            writeln!(table, "| {phase} | {client} | {outcome} | {took:?} | {split} |").unwrap();
            let summed: Duration = ALL.iter().map(|phase| elapsed.spent(*phase)).sum();
            assert!(summed.abs_diff(LIMIT) <= TOLERANCE, "{split}");
            assert!(elapsed.spent(phase) >= ms(100), "most of it in {phase}: {split}");
            let outcomes = recorder.outcomes();
            assert!(outcomes.contains(&format!("deadline_exceeded in {phase}")), "{outcomes:?}");
            assert_eq!(
                (outcomes.len(), recorder.slots().waiting),
                (1 + usize::from(stall.is_behind_another()), 0)
            );
            drop((outbound, error, server));
            nothing_left(&recorder).await;
        }
    }
    println!("{table}");
}

/// A proxy that does not answer CONNECT.
#[tokio::test(start_paused = true)]
async fn deadline_in_tunnel_is_named_and_leaves_nothing() {
    for own_pool in [true, false] {
        let (server, peer) = ScriptedServer::duplex(Script::new().read_head().hang());
        let recorder = Recorder::new();
        let outbound = Outbound::builder().observer(recorder.clone()).build();
        let tunnel = TunnelConnector::new(server.uri(""), peer.delay(ms(10)));
        let connector = outbound.connector(tunnel);
        let stall = Stall::at(Phase::Tunnel, Script::new());
        let (error, took) = if own_pool {
            let service = outbound.layer().layer(Pool::builder().build(connector));
            stalled(&stall, service, &server).await
        } else {
            stalled(&stall, stack(&outbound, connector, false), &server).await
        };
        let failure = error.failure();
        assert_eq!((failure.kind(), failure.phase()), (Kind::DeadlineExceeded, Some(Phase::Tunnel)));
        assert!(took.abs_diff(LIMIT) <= TOLERANCE, "{took:?}");
        let elapsed: &DeadlineElapsed = error.source().unwrap().downcast_ref().unwrap();
        assert!(elapsed.spent(Phase::Tunnel).abs_diff(LIMIT - ms(10)) <= TOLERANCE, "{elapsed}");
        drop((outbound, error, server));
        nothing_left(&recorder).await;
    }
}

const ALL: [Phase; 10] = [
    Phase::Queue,
    Phase::Acquire,
    Phase::Dns,
    Phase::Tcp,
    Phase::Tunnel,
    Phase::Tls,
    Phase::Send,
    Phase::Wait,
    Phase::Head,
    Phase::Body,
];

/// No wait begins: neither for a slot nor for a connection.
#[tokio::test(start_paused = true)]
async fn deadline_that_has_passed_begins_no_wait() {
    let (server, peer) = ScriptedServer::duplex(Script::new().read_request().write(HALF).hang());
    let recorder = Recorder::new();
    let outbound = Outbound::builder().observer(recorder.clone()).max_in_flight_per_origin(1).build();
    let pool = Pool::builder().max_connections_per_origin(1).build(outbound.connector(peer));
    let service = outbound.layer().layer(pool);
    let holder = service.clone().oneshot(get(&server)).await.unwrap();
    let before = (recorder.count("SlotWaiting"), recorder.count("ConnectStarted"));
    let request = get(&server).deadline(Deadline::at(Instant::now()));
    let error = service.oneshot(request).await.map(drop).unwrap_err();
    assert_eq!(error.failure().kind(), Kind::DeadlineExceeded);
    assert_eq!((recorder.count("SlotWaiting"), recorder.count("ConnectStarted")), before);
    drop(holder);
}

/// A refused connect is retried after a wait, unless that wait would end after the deadline: then it stays the error.
#[tokio::test(start_paused = true)]
async fn connect_is_not_retried_after_deadline() {
    for (limit, attempts, took) in [(2_000, 2, 1_000), (900, 1, 0)] {
        let recorder = Recorder::new();
        let wait = |_: &RetryContext<'_>| Verdict::RetryAfter(SECOND);
        let outbound = Outbound::builder().observer(recorder.clone());
        let outbound = outbound.retry(|retry| retry.policy(wait).max_retries(1)).build();
        let refused = || Err::<DuplexIo, _>(io::Error::from(io::ErrorKind::ConnectionRefused));
        let connector = outbound.connector(service_fn(move |_: http::Uri| std::future::ready(refused())));
        let client: Client<_, _> = Client::builder(TokioExecutor::new()).build(connector);
        let service = outbound.layer().layer(client);
        let uri = "http://example.test/".parse().unwrap();
        let request = secret::request(&uri, nothing()).deadline(Deadline::after(ms(limit)));
        let start = Instant::now();
        let error = service.oneshot(request).await.map(drop).unwrap_err();
        assert_eq!(error.failure().kind(), Kind::ConnectionRefused, "the last failure is the error");
        assert_eq!((error.history().len() + 1, start.elapsed()), (attempts, ms(took)));
        assert_eq!((recorder.outcomes().len(), recorder.count("DeadlineElapsed")), (attempts, 0));
    }
}
