//! The limit of connections, through everything that may happen to a client.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use http::header::HeaderName;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use outbound_tests::certs::Certs;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;
use tower_outbound::deadline::DeadlineHeaders;
use tower_outbound::event::ConnectResult;
use tower_outbound::reload::Reloadable;
use tower_outbound::retry::RetryOptions;
use tower_outbound::settings::Settings;
use tower_outbound::timeouts::Timeouts;
use tower_outbound::{BoxError, Event, Outbound, OutboundClient, RequestExt as _};

use super::*;

const LIMIT: usize = 50;
const CALLERS: usize = 200;
/// Requests between two changes.
const BETWEEN: usize = 300;
const ROUNDS: usize = 4;
const TIMEOUT_HEADER: HeaderName = HeaderName::from_static("x-timeout-ms");

/// What a server of HTTP/1 in TLS has seen.
#[derive(Default)]
struct Seen {
    requests: AtomicUsize,
    without_header: AtomicUsize,
}

/// Sockets of the client, connects included. The server learns of a close later, and has more.
#[derive(Clone, Default)]
struct Sockets(Arc<[AtomicUsize; 2]>);

impl Sockets {
    fn observer(&self) -> impl Fn(&Event<'_>) + Send + Sync + use<> {
        let Self(sockets) = self.clone();
        move |event| {
            let [open, most] = &*sockets;
            match event {
                Event::ConnectStarted { .. } => {
                    most.fetch_max(open.fetch_add(1, Relaxed) + 1, Relaxed);
                }
                Event::ConnectEnded { result: ConnectResult::Connected(_), .. } => {}
                Event::ConnectEnded { .. } | Event::ConnectionClosed { .. } => {
                    open.fetch_sub(1, Relaxed);
                }
                _ => {}
            }
        }
    }

    fn most(&self) -> usize {
        self.0[1].load(Relaxed)
    }
}

async fn serve(certs: &Certs) -> (Uri, Arc<Seen>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let uri = format!("https://localhost:{}/", listener.local_addr().unwrap().port()).parse().unwrap();
    let tls = TlsAcceptor::from(certs.server_config(&["http/1.1"]));
    let seen = Arc::new(Seen::default());
    let accepting = seen.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(connection(stream, tls.clone(), accepting.clone()));
        }
    });
    (uri, seen)
}

async fn connection(stream: TcpStream, tls: TlsAcceptor, seen: Arc<Seen>) {
    let Ok(stream) = tls.accept(stream).await else { return };
    let answer = service_fn(move |request: Request<Incoming>| {
        seen.requests.fetch_add(1, Relaxed);
        let without = usize::from(!request.headers().contains_key(TIMEOUT_HEADER));
        seen.without_header.fetch_add(without, Relaxed);
        async {
            // Long enough for a queue.
            tokio::time::sleep(ms(2)).await;
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"ok"))))
        }
    });
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
}

/// Sends one request after another; each tenth one has options of its own.
async fn call(clients: Reloadable<OutboundClient>, uri: Uri, stop: Arc<AtomicBool>) -> Result<(), BoxError> {
    for number in 0.. {
        if stop.load(Relaxed) {
            break;
        }
        let mut sent = request(uri.clone());
        if number % 10 == 0 {
            sent = sent.timeouts(Timeouts::new().first_byte(ms(20_000))).retry(RetryOptions::off());
        }
        clients.clone().oneshot(sent).await?.into_body().bytes().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limit_of_sockets_holds_through_apply_reset_override_swap() {
    let certs = Certs::new("localhost");
    let (uri, seen) = serve(&certs).await;
    let settings = Settings::new().max_connections_per_origin(LIMIT).call_timeout(Duration::from_secs(60));
    let headers = DeadlineHeaders::new().http(TIMEOUT_HEADER);
    let sockets = Sockets::default();
    let outbound = Outbound::builder().observer(sockets.observer()).settings(settings.clone());
    let outbound = outbound.deadline_headers(headers).build();
    let client = || outbound.client_builder().tls_config(certs.client_config(&[])).build();
    let clients = Reloadable::new(client());
    let stop = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> =
        (0..CALLERS).map(|_| tokio::spawn(call(clients.clone(), uri.clone(), stop.clone()))).collect();
    let more = async || {
        let until = seen.requests.load(Relaxed) + BETWEEN;
        while seen.requests.load(Relaxed) < until {
            assert!(!callers.iter().any(tokio::task::JoinHandle::is_finished), "a caller has failed");
            tokio::time::sleep(ms(1)).await;
        }
    };
    let holds = |what: &str| {
        let most = sockets.most();
        assert!(most <= LIMIT, "{most} sockets after {what}");
    };
    for _ in 0..ROUNDS {
        more().await;
        holds("requests with options of their own");
        for limit in [10, LIMIT] {
            outbound.apply(&settings.clone().max_connections_per_origin(limit));
            more().await;
            holds("apply");
        }
        outbound.reset();
        more().await;
        holds("a reset");
        drop(clients.replace(client()));
        more().await;
        holds("a swap");
    }
    stop.store(true, Relaxed);
    for caller in callers {
        caller.await.unwrap().unwrap();
    }
    holds("all");
    assert!(sockets.most() > LIMIT / 2, "the limit was reached");
    assert_eq!(seen.without_header.load(Relaxed), 0);
}
