//! A ledger of the requests that reach the peer: under random faults, no request that the peer may have processed
//! arrives twice.
//!
//! Each run prints its seed; `LEDGER_SEED` repeats a run.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use http::Method;
use http_body::Frame;
use http_body_util::StreamBody;
use hyper::rt;
use hyper_util::client::legacy::connect::Connection;
use outbound_tests::server::{DuplexConnector, Script, ScriptedServer};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use tower::Service;
use tower_outbound::connect::TcpConnector;
use tower_outbound::retry::RetryBudget;

use super::*;

/// Number of requests that each test sends.
const REQUESTS: u64 = if cfg!(debug_assertions) { 2_000 } else { 40_000 };
const CALLERS: u64 = 20;
const EACH: u64 = 10;

/// What the peer does with one request.
#[derive(Clone, Copy, Debug)]
enum Act {
    Answer,
    Busy,
    /// Closes without reading: a request may have arrived.
    Close,
    ResetInHead,
    ResetAfterHead,
    CloseAfterHead,
    CloseAfterRequest,
    SlowClose,
    CloseInAnswer,
}

/// For each connection, what the peer does with its requests. The peer closes after the last one, and refuses a
/// connection without any.
fn connections() -> impl Strategy<Value = Vec<Vec<Act>>> {
    let act = prop_oneof![
        12 => Just(Act::Answer),
        1 => Just(Act::Busy),
        2 => Just(Act::Close),
        1 => Just(Act::ResetInHead),
        1 => Just(Act::ResetAfterHead),
        1 => Just(Act::CloseAfterHead),
        1 => Just(Act::CloseAfterRequest),
        1 => Just(Act::SlowClose),
        1 => Just(Act::CloseInAnswer),
    ];
    proptest::collection::vec(proptest::collection::vec(act, 0..8), 1..16)
}

/// Pauses only with a paused clock.
fn script(acts: &[Act], paused: bool) -> Script {
    let pause =
        |script: Script, time| if paused { script.sleep(Duration::from_millis(time)) } else { script };
    let mut script = Script::new();
    for act in acts {
        script = match act {
            Act::Answer => script.read_request().write(OK),
            Act::Busy => script.read_request().write(BUSY),
            Act::Close => return pause(script, 1).close(),
            Act::ResetInHead => return script.read_exact(9).reset(),
            Act::ResetAfterHead => return script.read_head().reset(),
            Act::CloseAfterHead => return script.read_head().close(),
            Act::CloseAfterRequest => return script.read_request().close(),
            Act::SlowClose => return pause(script.read_request(), 9).close(),
            Act::CloseInAnswer => return script.read_request().write(&OK[..30]).close(),
        };
    }
    script.close()
}

/// One request in five is idempotent by its method.
fn request(uri: http::Uri, id: u64) -> Request<RequestBody> {
    let (method, body) = match id % 5 {
        0 => (Method::POST, upload("an upload")),
        1 => (Method::POST, chunks()),
        2 => (Method::PATCH, upload("")),
        3 => (Method::POST, upload("")),
        _ if id.is_multiple_of(2) => (Method::GET, upload("")),
        _ => (Method::PUT, chunks()),
    };
    Request::builder().method(method).uri(uri).header("x-id", id).body(body).unwrap()
}

fn chunks() -> RequestBody {
    let frames = stream::iter(["one", "two"]).then(|data| async move {
        tokio::task::yield_now().await;
        Ok(Frame::data(Bytes::from_static(data.as_bytes())))
    });
    UnsyncBoxBody::new(StreamBody::new(frames))
}

/// Sums over all cases of a test.
#[derive(Default)]
struct Totals {
    requests: AtomicU64,
    retries: Arc<AtomicU64>,
    duplicates: AtomicU64,
    answered: AtomicU64,
}

impl Totals {
    fn outbound(&self) -> Outbound {
        let retries = self.retries.clone();
        let observer = move |event: &Event<'_>| {
            if matches!(event, Event::RetryDecided { decision: Ok(_), .. }) {
                retries.fetch_add(1, Ordering::Relaxed);
            }
        };
        Outbound::builder().observer(observer).build()
    }

    /// Counts how often each request arrived; returns the ids of the duplicates.
    fn count_duplicates(&self, arrived: impl IntoIterator<Item = u64>) -> Vec<u64> {
        let mut ledger = BTreeMap::<u64, u64>::new();
        arrived.into_iter().for_each(|id| *ledger.entry(id).or_default() += 1);
        let duplicates: Vec<_> =
            ledger.into_iter().filter(|(_, times)| *times > 1).map(|(id, _)| id).collect();
        self.duplicates.fetch_add(duplicates.len() as u64, Ordering::Relaxed);
        duplicates
    }

    fn print(&self, what: &str) -> u64 {
        let [requests, retries, duplicates, answered] =
            [&self.requests, &*self.retries, &self.duplicates, &self.answered]
                .map(|total| total.load(Ordering::Relaxed));
        println!(
            "ledger: {requests} requests, {retries} retries, {duplicates} duplicates ({what}, {answered} answered)"
        );
        // Enough requests, and enough of both successes and failures.
        assert!(requests >= REQUESTS && (requests / 4..requests).contains(&answered));
        retries
    }
}

/// Runs random cases until enough requests were sent.
fn run<S: Strategy>(strategy: &S, case: impl Fn(S::Value)) {
    let seed = std::env::var("LEDGER_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or_else(|| RandomState::new().hash_one(0));
    println!("ledger: LEDGER_SEED={seed}");
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let cases = u32::try_from(REQUESTS.div_ceil(CALLERS * EACH)).unwrap();
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let case = |value| {
        case(value);
        Ok(())
    };
    TestRunner::new_with_rng(config, rng).run(strategy, case).unwrap();
}

/// Sends from many callers; each caller sends one request after the other.
async fn send_all<C>(client: Stack<C>, uri: http::Uri, totals: &Totals)
where
    C: Connect + Clone + Send + Sync + 'static,
{
    let callers = (0..CALLERS).map(|caller| {
        let (client, uri) = (&client, uri.clone());
        async move {
            for n in 0..EACH {
                let answered = fetch(client, request(uri.clone(), caller * EACH + n)).await.is_ok();
                totals.answered.fetch_add(u64::from(answered), Ordering::Relaxed);
            }
        }
    });
    futures_util::future::join_all(callers).await;
    totals.requests.fetch_add(CALLERS * EACH, Ordering::Relaxed);
}

/// Budgets that no fault uses up.
fn unbounded(layer: RetryLayer) -> RetryLayer {
    let budget = RetryBudget::new().share(1.0).per_second(100_000);
    layer.connect_budget(budget).budget(budget)
}

/// The ids that the peer read, also from an incomplete head.
fn ids(raw: &[u8]) -> Vec<u64> {
    let text = String::from_utf8_lossy(raw);
    let ids = text.split("x-id: ").skip(1).map(|rest| rest.split_once("\r\n").map(|(id, _)| id.parse()));
    ids.flatten().map(|id| id.unwrap()).collect()
}

type Options = fn(RetryLayer) -> RetryLayer;

/// Returns the ids of the requests that arrived more than once.
async fn http1<C>(server: &ScriptedServer, connector: C, totals: &Totals, options: Options) -> Vec<u64>
where
    C: Service<http::Uri, Error: Into<BoxError>, Future: Unpin + Send> + Clone + Send + Sync + 'static,
    C::Response: rt::Read + rt::Write + Connection + Send + Unpin + 'static,
{
    let outbound = totals.outbound();
    let layer = options(unbounded(outbound.retry_layer()));
    let client = stack_on(&outbound, outbound.connector(connector), &layer, false);
    send_all(client, server.uri("/"), totals).await;
    let log = server.log();
    totals.count_duplicates(log.iter().flat_map(|connection| ids(&connection.raw)))
}

/// Without sockets, with a paused clock: each fault happens at a fixed point.
fn over_duplex(plan: Vec<Vec<Act>>, totals: &Totals, options: Options) -> Vec<u64> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().start_paused(true).build().unwrap().block_on(async {
        let (refusals, connects) = (plan.clone(), Arc::new(AtomicUsize::new(0)));
        let (server, connector) = ScriptedServer::duplex(move |index: usize| {
            let mut plan = plan.iter().cycle().filter(|acts| !acts.is_empty());
            plan.nth(index % 64).map_or_else(|| Script::answering(OK), |acts| script(acts, true))
        });
        let connector = tower::service_fn(move |_: http::Uri| {
            let refused = refusals[connects.fetch_add(1, Ordering::Relaxed) % refusals.len()].is_empty();
            let io = if refused {
                Err(ErrorKind::ConnectionRefused.into())
            } else {
                DuplexConnector::connect(&connector)
            };
            std::future::ready::<io::Result<_>>(io)
        });
        http1(&server, connector, totals, options).await
    })
}

#[test]
fn retry_ledger_random_faults_never_duplicate() {
    let totals = Totals::default();
    run(&connections(), |plan| assert_eq!(over_duplex(plan, &totals, |layer| layer), [0; 0], "duplicates"));
    assert!(totals.print("HTTP/1, default") > REQUESTS / 100);
    assert_eq!(totals.duplicates.load(Ordering::Relaxed), 0);
}

#[test]
fn retry_ledger_idempotent_duplicates_only_idempotent() {
    let totals = Totals::default();
    run(&connections(), |plan| {
        for id in over_duplex(plan, &totals, RetryLayer::idempotent) {
            assert_eq!(id % 5, 4, "{id} is a POST or PATCH");
        }
    });
    assert!(totals.print("HTTP/1, idempotent") > REQUESTS / 100);
    assert!(totals.duplicates.load(Ordering::Relaxed) > 0);
}

/// Over real sockets, so that requests and closes cross in flight.
#[test]
fn retry_ledger_over_sockets_and_threads_never_duplicates() {
    let totals = Totals::default();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    run(&connections(), |plan| {
        runtime.block_on(async {
            let server = ScriptedServer::tcp(move |index: usize| script(&plan[index % plan.len()], false));
            let (server, connector) = (server.await.unwrap(), TcpConnector::new());
            assert_eq!(http1(&server, connector, &totals, |layer| layer).await, [0; 0], "duplicates");
        });
    });
    totals.print("HTTP/1 over sockets, default");
    assert_eq!(totals.duplicates.load(Ordering::Relaxed), 0);
}

mod http2 {
    use std::sync::Mutex;

    use h2::Reason;
    use h2::server::SendResponse;
    use outbound_tests::gate::Gate;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    /// What the peer does with one stream.
    #[derive(Clone, Copy, Debug)]
    enum Act {
        Answer,
        Refuse,
        Reset(Reason),
        ResetInAnswer,
        /// After the response, with the streams seen so far.
        GoAway,
        GoAwayAtOnce,
        Close,
    }

    fn connections() -> impl Strategy<Value = Vec<Vec<Act>>> {
        let act = prop_oneof![
            20 => Just(Act::Answer),
            4 => Just(Act::Refuse),
            1 => Just(Act::Reset(Reason::CANCEL)),
            1 => Just(Act::Reset(Reason::INTERNAL_ERROR)),
            1 => Just(Act::ResetInAnswer),
            2 => Just(Act::GoAway),
            1 => Just(Act::GoAwayAtOnce),
            1 => Just(Act::Close),
        ];
        proptest::collection::vec(proptest::collection::vec(act, 1..60), 1..8)
    }

    type Book = Arc<Mutex<Vec<u64>>>;

    fn answer(respond: &mut SendResponse<Bytes>, whole: bool) {
        // Fails if the client has gone.
        let Ok(mut body) = respond.send_response(Response::new(()), false) else { return };
        let _ = body.send_data(Bytes::from_static(b"ok"), whole);
        if !whole {
            body.send_reset(Reason::INTERNAL_ERROR);
        }
    }

    /// Serves a connection; books every request that it does not refuse.
    async fn serve(stream: TcpStream, acts: Vec<Act>, book: Book) -> Result<(), h2::Error> {
        stream.set_nodelay(true).unwrap();
        let mut connection = h2::server::handshake(stream).await?;
        let mut acts = acts.into_iter();
        while let Some(accepted) = connection.accept().await {
            let (request, mut respond) = accepted?;
            let act = acts.next().unwrap_or(Act::GoAway);
            if matches!(act, Act::Refuse) {
                respond.send_reset(Reason::REFUSED_STREAM);
                continue;
            }
            let id = request.headers()["x-id"].to_str().unwrap().parse().unwrap();
            book.lock().unwrap().push(id);
            match act {
                Act::Answer => answer(&mut respond, true),
                Act::Reset(reason) => respond.send_reset(reason),
                Act::ResetInAnswer => answer(&mut respond, false),
                Act::GoAway => {
                    answer(&mut respond, true);
                    connection.graceful_shutdown();
                }
                Act::GoAwayAtOnce => connection.abrupt_shutdown(Reason::NO_ERROR),
                Act::Close => return Ok(()),
                Act::Refuse => unreachable!("handled above"),
            }
        }
        Ok(())
    }

    async fn case(connections: Vec<Vec<Act>>, totals: &Totals) {
        let (book, stop) = (Book::default(), Gate::new());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let (served, stopped) = (book.clone(), stop.clone());
        let server = tokio::spawn(async move {
            for n in 0.. {
                let accepted = tokio::select! {
                    accepted = listener.accept() => accepted.unwrap().0,
                    () = stopped.wait() => return,
                };
                let acts = connections[n % connections.len()].clone();
                tokio::spawn(serve(accepted, acts, served.clone()));
            }
        });
        let outbound = totals.outbound();
        let moment = Duration::from_nanos(1);
        let layer = unbounded(outbound.retry_layer()).backoff(moment, moment);
        let client = stack_on(&outbound, outbound.connector(outbound.http_connector()), &layer, true);
        send_all(client, uri, totals).await;
        stop.open();
        server.await.unwrap();
        let arrived = book.lock().unwrap().clone();
        assert_eq!(totals.count_duplicates(arrived), [0; 0], "duplicates");
    }

    #[test]
    fn retry_ledger_http2_unrefused_requests_never_duplicate() {
        let totals = Totals::default();
        run(&connections(), |connections| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(case(connections, &totals));
        });
        assert!(totals.print("HTTP/2, default") > REQUESTS / 100);
        assert_eq!(totals.duplicates.load(Ordering::Relaxed), 0);
    }
}
