//! One client on two runtimes.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use outbound_tests::server::{H2Server, Script, ScriptedServer};
use tokio::runtime::{Builder, Runtime};
use tower_outbound::event::StackWarning;
use tower_outbound::timeouts::Timeouts;
use tower_outbound::{Event, Kind, Outbound};

use super::hyper_util::HTTP_1;

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// The kind of a request's failure on a second runtime, and the warnings. The connection is on a first one, which is
/// driven meanwhile by a thread, or not at all.
fn second_request(driven: bool, http2: bool) -> (Option<Kind>, Vec<StackWarning>) {
    let warnings = Arc::<Mutex<Vec<_>>>::default();
    let seen = Arc::clone(&warnings);
    let watch = move |event: &Event<'_>| {
        if let Event::Misplaced { warning, .. } = event {
            seen.lock().unwrap().push(*warning);
        }
    };
    let peers = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (uri, _server1, _server2) = peers.block_on(async {
        let server1 = ScriptedServer::tcp(Script::answering(HTTP_1)).await.unwrap();
        let answer = async |_| http::Response::new("ok".to_owned());
        let server2 = H2Server::builder().start(answer).await.unwrap();
        let uri = if http2 { server2.uri("/") } else { server1.uri("/") };
        (uri, server1, server2)
    });
    let attempt = Duration::from_millis(if driven { 10_000 } else { 200 });
    let outbound = Outbound::builder()
        .observer(watch)
        .timeouts(Timeouts::new().attempt(attempt))
        .retry(|retry| retry.max_retries(0))
        .build();
    let client = outbound.client_builder().http2_only(http2).build();
    let get = async || client.get(uri.clone()).await?.into_body().bytes().await;

    let first = runtime();
    first.block_on(async {
        get().await.unwrap();
        // The client's own tasks give the connection back to the pool.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    });
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let thread = std::thread::spawn(move || {
        // A runtime closes its connections when it is dropped, not when it stops to run.
        let _ = if driven { first.block_on(stopped) } else { stopped.blocking_recv() };
    });
    let failed = runtime().block_on(get()).err().map(|error| error.failure().kind());
    drop(stop);
    thread.join().unwrap();
    let warnings = warnings.lock().unwrap().clone();
    (failed, warnings)
}

#[test]
fn stack_warning_connection_of_runtime_not_driven() {
    for http2 in [false, true] {
        let warned = vec![StackWarning::OtherRuntime];
        assert_eq!(second_request(false, http2), (Some(Kind::ResponseTimeout), warned), "HTTP/2: {http2}");
    }
}

#[test]
fn stack_warning_absent_for_two_driven_runtimes() {
    for http2 in [false, true] {
        assert_eq!(second_request(true, http2), (None, Vec::new()), "HTTP/2: {http2}");
    }
}
