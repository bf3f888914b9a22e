//! Every start event has exactly one end event, also after cancellation, peer failures and panics.

use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use http::{Request, Response};
use http_body_util::BodyExt as _;
use outbound_tests::certs::Certs;
use outbound_tests::recorder::Recorder;
use outbound_tests::secret;
use outbound_tests::server::{H2Server, Script, ScriptedServer, closed_port};
use tower::{ServiceExt as _, service_fn};
use tower_layer::Layer as _;
use tower_outbound::observe::ObserveRequestBody;
use tower_outbound::{BoxError, Event, Outbound, Timings};

use crate::support::{Body, recorded, stack, tcp};

const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

/// Polls the future at most `polls` times, each time after a wake-up. `None` if the future is still pending.
async fn at_most<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Cancels an attempt after 0, 1, 2… polls, each time on a new stack, until the attempt completes.
async fn cancel_after_every_poll<F: Future>(run: impl Fn(Outbound) -> F) -> Recorder {
    for polls in 0..200 {
        let (outbound, recorder) = recorded();
        let done = at_most(polls, run(outbound)).await.is_some();
        recorder.settled().await;
        let started = recorder.count("AttemptStarted");
        assert!(started <= 1 && recorder.outcomes().len() as i64 == started);
        if done {
            assert_eq!(recorder.outcomes(), ["ok"], "after {polls} polls");
            return recorder;
        }
        let cancelled = recorder.outcomes().iter().all(|outcome| outcome.starts_with("cancelled in "));
        assert!(cancelled, "after {polls} polls: {:?}", recorder.outcomes());
    }
    panic!("the attempt is still pending after 200 polls");
}

#[tokio::test(start_paused = true)]
async fn cancel_at_any_poll_leaves_nothing_open_http1_over_tls() {
    let certs = Certs::new("example.test");
    let recorder = cancel_after_every_poll(|outbound| {
        let pause = Duration::from_millis(10);
        let script = Script::new()
            .sleep(pause)
            .tls(certs.server_config(&["http/1.1"]))
            .read_request()
            .sleep(pause)
            .write("HTTP/1.1 200 ")
            .sleep(pause)
            .write("OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n")
            .sleep(pause)
            .write("3\r\ndef\r\n")
            .sleep(pause)
            .write("0\r\n\r\n")
            .repeat();
        let (server, peer) = ScriptedServer::duplex(script);
        let https = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(certs.client_config(&[]))
            .https_only()
            .enable_http1()
            .wrap_connector(peer.delay(pause));
        async move {
            let client = stack(&outbound, outbound.connector(https));
            let uri = server.uri_with("https", "example.test", "/");
            let response = client.oneshot(secret::request(&uri, Body::from("upload"))).await.unwrap();
            response.into_body().collect().await.unwrap();
        }
    })
    .await;
    assert_eq!(recorder.count("connected"), 1);
}

#[tokio::test]
async fn cancel_at_any_poll_leaves_nothing_open_http2() {
    let server = H2Server::builder()
        .start(|request: Request<_>| async move {
            request.into_body().collect().await.unwrap();
            Response::new(Body::from(vec![7; 100_000]))
        })
        .await
        .unwrap();
    cancel_after_every_poll(|outbound| {
        let uri = server.uri("/");
        async move {
            let client = outbound.client_builder().http2_only(true).build();
            let response = client.request(secret::request(&uri, Body::from("upload"))).await.unwrap();
            response.into_body().collect().await.unwrap();
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn body_drop_at_any_frame_ends_attempt_as_cancelled() {
    const FRAMES: usize = 4;
    for taken in 0..=FRAMES {
        let mut script = Script::new().read_request().write(CHUNKED);
        for _ in 0..FRAMES {
            script = script.sleep(Duration::from_millis(10)).write("3\r\nabc\r\n");
        }
        let (server, peer) = ScriptedServer::duplex(script.hang());
        let (outbound, recorder) = recorded();
        let client = stack(&outbound, outbound.connector(peer));
        let response = client.oneshot(secret::request(&server.uri("/"), Body::default())).await.unwrap();
        let timings = response.extensions().get::<Timings>().unwrap().clone();
        let mut body = response.into_body();
        for _ in 0..taken {
            body.frame().await.unwrap().unwrap();
        }
        drop(body);
        assert_eq!(recorder.outcomes(), ["cancelled in body"]);
        assert_eq!(timings.attempt().response_body_bytes(), 3 * taken as u64);
        recorder.settled().await;
        assert_eq!(recorder.close_reasons(), ["body_dropped"]);
    }
}

#[tokio::test]
async fn inner_service_panic_ends_attempt_as_error() {
    for panic_in_call in [true, false] {
        let (outbound, recorder) = recorded();
        let inner = service_fn(move |_: Request<ObserveRequestBody<Body>>| {
            assert!(!panic_in_call, "a panic in call");
            async {
                tokio::task::yield_now().await;
                panic!("a panic in poll");
                #[expect(unreachable_code, reason = "the output type of the future")]
                Ok::<Response<Body>, std::io::Error>(Response::default())
            }
        });
        let service = outbound.attempt_layer().layer(inner);
        let request = secret::request(&"http://example.test/".parse().unwrap(), Body::default());
        let result = tokio::spawn(async move { service.oneshot(request).await.map(drop) }).await;
        assert!(result.unwrap_err().is_panic());
        assert_eq!(recorder.outcomes(), ["_OTHER in acquire"]);
        recorder.assert_balanced();
    }
}

/// A connector that panics when it is called.
#[derive(Clone)]
struct PanickingConnector;

impl tower::Service<http::Uri> for PanickingConnector {
    type Response = outbound_tests::server::DuplexIo;
    type Error = std::io::Error;
    type Future = std::future::Ready<Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> Poll<Result<(), std::io::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Uri) -> Self::Future {
        panic!("as planned")
    }
}

#[tokio::test]
async fn connector_panic_in_call_ends_connect_and_attempt() {
    let (outbound, recorder) = recorded();
    let client = stack(&outbound, outbound.connector(PanickingConnector));
    let request = Request::get("http://peer.test/").body(Body::default()).unwrap();
    assert!(tokio::spawn(client.oneshot(request)).await.unwrap_err().is_panic());
    assert_eq!((recorder.count("ConnectStarted"), recorder.count("ConnectEnded")), (1, 1));
    recorder.settled().await;
    assert_eq!(recorder.outcomes(), ["_OTHER in acquire"]);
}

/// Holds the task of a connection where it reports that it serves an attempt.
struct Holding {
    reached: std::sync::Mutex<std::sync::mpsc::Sender<()>>,
    released: std::sync::Mutex<std::sync::mpsc::Receiver<()>>,
}

impl tower_outbound::Observer for Holding {
    fn on_event(&self, event: &Event<'_>) {
        if matches!(event, Event::ConnectionAssigned { .. }) {
            self.reached.lock().unwrap().send(()).unwrap();
            let _ = self.released.lock().unwrap().recv_timeout(Duration::from_secs(10));
        }
    }
}

#[test]
fn call_ends_after_its_attempt_whose_end_waits() {
    for retries in [0, 2] {
        let ((reached, reaches), (release, released)) =
            (std::sync::mpsc::channel(), std::sync::mpsc::channel());
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (server, recorder) = runtime
            .block_on(async { (ScriptedServer::tcp(Script::new().hang()).await.unwrap(), Recorder::new()) });
        let holding = Holding { reached: reached.into(), released: released.into() };
        let outbound = Outbound::builder()
            .observer(recorder.clone())
            .observer(holding)
            .retry(|retry| retry.max_retries(retries))
            .build();
        let client = outbound.client();
        let request = Request::get(server.uri("/")).body(Body::default()).unwrap();
        let call = runtime.spawn(async move { client.request(request).await.map(drop) });
        reaches.recv_timeout(Duration::from_secs(10)).unwrap();
        call.abort();
        assert!(runtime.block_on(call).unwrap_err().is_cancelled());
        assert_eq!((recorder.count("AttemptEnded"), recorder.count("CallEnded")), (0, 0), "{retries}");
        release.send(()).unwrap();
        runtime.block_on(recorder.wait_until(|recorder| recorder.count("CallEnded") == 1));
        let names = recorder.names();
        let at = |name| names.iter().position(|each| each == name).unwrap();
        assert!(at("AttemptEnded") < at("CallEnded"), "{names:?}");
    }
}

#[tokio::test]
async fn observer_panic_disables_observer_and_request_succeeds() {
    let server = ScriptedServer::tcp(Script::answering("HTTP/1.1 204 No Content\r\n\r\n")).await.unwrap();
    let recorder = Recorder::new();
    let panics = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = panics.clone();
    let outbound = Outbound::builder()
        .observer(move |_: &Event<'_>| {
            counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            panic!("an observer's panic");
        })
        .observer(recorder.clone())
        .build();
    let client = tcp(&outbound);
    for _ in 0..2 {
        let response =
            client.clone().oneshot(secret::request(&server.uri("/"), Body::default())).await.unwrap();
        assert_eq!(response.status(), 204);
    }
    assert_eq!(recorder.outcomes(), ["ok", "ok"], "the other observer receives every event");
    assert_eq!(panics.load(std::sync::atomic::Ordering::Relaxed), 1);
}

#[tokio::test]
async fn observer_without_attempt_phases_gets_every_other_event() {
    struct Counting {
        phases: bool,
        seen: std::sync::Arc<std::sync::Mutex<Vec<String>>>,
    }

    impl tower_outbound::Observer for Counting {
        fn on_event(&self, event: &Event<'_>) {
            let name = format!("{event:?}").split(' ').next().unwrap().to_owned();
            self.seen.lock().unwrap().push(name);
        }

        fn wants_attempt_phases(&self) -> bool {
            self.phases
        }
    }

    let server = ScriptedServer::tcp(Script::answering("HTTP/1.1 204 No Content\r\n\r\n")).await.unwrap();
    let (all, fewer) = (std::sync::Arc::<std::sync::Mutex<Vec<_>>>::default(), std::sync::Arc::default());
    let outbound = Outbound::builder()
        .observer(Counting { phases: true, seen: all.clone() })
        .observer(Counting { phases: false, seen: std::sync::Arc::clone(&fewer) })
        .build();
    tcp(&outbound).oneshot(secret::request(&server.uri("/"), Body::default())).await.unwrap();
    let (mut all, fewer) = (all.lock().unwrap().clone(), fewer.lock().unwrap().clone());
    let phases = all.iter().filter(|name| *name == "AttemptPhase").count();
    assert!(phases >= 3, "{all:?}");
    all.retain(|name| name != "AttemptPhase");
    assert_eq!(all, fewer);
}

#[tokio::test(start_paused = true)]
async fn wasted_connect_is_counted_and_idle_connection_reused() {
    let script = Script::new().read_request().sleep(Duration::from_millis(20));
    let script = script.write("HTTP/1.1 204 No Content\r\n\r\n").repeat();
    let (server, peer) = ScriptedServer::duplex(script);
    let (outbound, recorder) = recorded();
    let client = stack(&outbound, outbound.connector(peer.delay(Duration::from_millis(50))));
    let send = || client.clone().oneshot(secret::request(&server.uri("/"), Body::default()));

    let first = send().await.unwrap().extensions().get::<Timings>().unwrap().clone();
    // Two requests, one idle connection. The second request starts a connect (50 ms), but takes the first
    // connection when the first request ends (20 ms).
    let (second, third) = tokio::join!(send(), send());
    let third = third.unwrap().extensions().get::<Timings>().unwrap().clone();
    let second = second.unwrap().extensions().get::<Timings>().unwrap().clone();
    let first = first.connection().unwrap().id();
    assert_eq!(second.connection().unwrap().id(), first);
    assert_eq!(third.connection().unwrap().id(), first);
    assert_eq!(third.usage().unwrap().number(), 3);
    assert!(!third.setup_paid());

    recorder.wait_until(|recorder| recorder.count("ConnectWasted") == 1).await;
    assert_eq!(recorder.count("connected"), 2);
    drop(client);
    recorder.settled().await;
    assert_eq!(recorder.count("ConnectWasted"), 1);
}

#[tokio::test]
async fn refused_connect_fails_in_phase_tcp_and_opens_nothing() {
    let address = closed_port().unwrap();
    let (outbound, recorder) = recorded();
    let uri = format!("http://{address}/").parse().unwrap();
    let error = tcp(&outbound).oneshot(secret::request(&uri, Body::default())).await.unwrap_err();
    assert_eq!(recorder.outcomes(), ["connection_refused in tcp"]);
    assert_eq!(error.failure().os_error(), Some(111));
    assert_eq!((recorder.count("connect_failed"), recorder.count("ConnectionOpened")), (1, 0));
    assert!(!secret::is_in(&format!("{error:?} {error}")));
    recorder.settled().await;
}

#[tokio::test(start_paused = true)]
async fn end_cause_of_layer_decides_outcome_of_dropped_attempt() {
    for (timed_out, expected) in [(true, "response_timeout in acquire"), (false, "cancelled in acquire")] {
        let (outbound, recorder) = recorded();
        let service = outbound.attempt_layer().layer(service_fn(|_: Request<ObserveRequestBody<Body>>| {
            pending::<Result<Response<Body>, BoxError>>()
        }));
        let call = tower_outbound::Call::new();
        let mut request = secret::request(&"http://example.test/".parse().unwrap(), Body::default());
        request.extensions_mut().insert(call.clone());
        let attempt = service.oneshot(request);
        assert!(
            at_most(1, async {
                let mut attempt = pin!(attempt);
                let _ = poll_fn(|cx| Poll::Ready(attempt.as_mut().poll(cx).is_ready())).await;
                if timed_out {
                    call.attempt_timed_out();
                }
            })
            .await
            .is_some()
        );
        assert_eq!(recorder.outcomes(), [expected]);
        assert_eq!(call.attempts(), 1);
        assert_eq!(recorder.count("CallStarted"), 0, "the creator of a call emits its events");
    }
}
