//! Requests that wait for a connection which another request opens (HTTP/2).

use std::convert::Infallible;
use std::future::{pending, ready};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use http::{Response, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::connect::dns::Name;
use outbound_tests::certs::Certs;
use outbound_tests::faults::Seen;
use outbound_tests::gate::Gate;
use outbound_tests::server::H2Server;
use tokio::task::JoinHandle;
use tower::{ServiceExt as _, service_fn};
use tower_outbound::connect::TcpConnector;

use crate::attempt::{Outcome, Reported, within};
use crate::stack::{Stack, request};

const WAITING: usize = 9;

/// The first lookup never ends. Later ones return loopback.
struct Lookups {
    tcp: TcpConnector,
    asked: Gate,
}

impl Lookups {
    fn new() -> Lookups {
        let (asked, lookups) = (Gate::new(), AtomicUsize::new(0));
        let (gate, lookups) = (asked.clone(), Arc::new(lookups));
        let resolver = service_fn(move |_: Name| {
            let first = lookups.fetch_add(1, Ordering::Relaxed) == 0;
            gate.open();
            async move {
                if first {
                    pending::<()>().await;
                }
                Ok::<_, Infallible>(vec![SocketAddr::from(([127, 0, 0, 1], 0))].into_iter())
            }
        });
        Lookups { tcp: TcpConnector::new().resolver(resolver), asked }
    }
}

/// Spawns a request, and returns when it waits.
pub(crate) async fn begin(stack: &Stack, method: &'static str, uri: &Uri) -> JoinHandle<bool> {
    let mut call = stack.service.clone().oneshot(request(method, uri)).boxed();
    let begun = Gate::new();
    let opens = begun.clone();
    let task = tokio::spawn(async move {
        assert!(futures_util::poll!(&mut call).is_pending());
        opens.open();
        match call.await {
            Ok(response) => response.into_body().collect().await.is_ok(),
            Err(_) => false,
        }
    });
    begun.wait().await;
    task
}

pub(crate) async fn cut(task: JoinHandle<bool>) {
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
}

/// Sends nine requests at once. The future returns how many are answered in full.
async fn nine(stack: &Stack, method: &'static str, uri: &Uri) -> impl Future<Output = usize> + use<> {
    let mut waiting = Vec::new();
    for _ in 0..WAITING {
        waiting.push(begin(stack, method, uri).await);
    }
    let answered = join_all(waiting);
    async { answered.await.into_iter().filter(|one| matches!(one, Ok(true))).count() }
}

/// The request that opens the connection of nine others is cancelled. The nine are then retried.
pub(crate) async fn behind_a_cancelled_opener(tls: bool) -> Outcome {
    let certs = Certs::new("peer.test");
    let mut server = H2Server::builder();
    if tls {
        server = server.tls(certs.server_config(&["h2"]));
    }
    let handled = Arc::new(AtomicUsize::new(0));
    let handlers = Arc::clone(&handled);
    let handler = move |_| {
        handlers.fetch_add(1, Ordering::Relaxed);
        ready(Response::new(Full::new(Bytes::from("hello"))))
    };
    let server = server.start(handler).await.unwrap();
    let lookups = Lookups::new();
    let stack = Stack::retrying(certs.client_config(&[]), lookups.tcp, true, true);
    let scheme = if tls { "https" } else { "http" };
    let uri = format!("{scheme}://peer.test:{}/", server.address().port()).parse().unwrap();

    let opener = begin(&stack, "POST", &uri).await;
    lookups.asked.wait().await;
    let waiting = nine(&stack, "GET", &uri).await;
    cut(opener).await;
    let answered = within("the nine", waiting).await;
    let seen = handled.load(Ordering::Relaxed);
    let again = within("the nine again", nine(&stack, "PUT", &uri).await).await;
    let connections = server.accepted();

    let reported = Reported::of_several(stack, "GET", WAITING, WAITING, &Vec::new()).await;
    server.stop();
    let mut result =
        reported.finish(Some(Seen { read: seen as u64, answered: seen > 0, ..Seen::default() })).await;
    if (answered, seen, again, connections) != (0, 0, WAITING, 1) {
        let again = format!("{again} answered when sent again, on {connections} connections");
        result.disagreement += &format!("{answered} answered, {seen} handled, {again}");
    }
    result
}

/// A request is cancelled while another one opens the connection for both.
pub(crate) async fn cancelled_behind_an_opener(tls: bool) -> Outcome {
    let lookups = Lookups::new();
    let certs = Certs::new("peer.test");
    let stack = Stack::new(certs.client_config(&[]), lookups.tcp, true);
    let scheme = if tls { "https" } else { "http" };
    let uri = format!("{scheme}://peer.test:1/").parse().unwrap();
    let opener = begin(&stack, "POST", &uri).await;
    lookups.asked.wait().await;
    let waiting = begin(&stack, "GET", &uri).await;
    let outcomes = stack.recorder.clone();
    cut(waiting).await;
    outcomes.wait_until(|recorder| recorder.outcomes().len() == 1).await;
    let outcome = outcomes.outcomes().remove(0);
    cut(opener).await;
    let mut result = Reported::of(stack, "GET", &Vec::new()).await.finish(None).await;
    result.outcome = outcome;
    result
}
