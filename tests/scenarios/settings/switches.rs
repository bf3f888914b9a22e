//! What observers get, switched while requests are under way.

use http_body_util::BodyExt as _;
use outbound_tests::gate::Gate;
use outbound_tests::recorder::Recorder;
use outbound_tests::server::{LoadServer, Script, ScriptedServer};
use tower::ServiceExt as _;
use tower_outbound::Outbound;
use tower_outbound::settings::Settings;

use super::*;
use crate::support::recorded;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn observe(outbound: &Outbound, on: bool) {
    outbound.apply(&Settings::new().observe(on));
}

#[tokio::test]
async fn observe_off_and_on_leaves_nothing_open() {
    let [second, fourth] = [(); 2].map(|()| Gate::new());
    // The first connection answers, then holds an answer back; the second one too.
    let answers = || Script::new().read_request().write(OK).read_request();
    let scripts =
        [answers().wait(&second).write(OK).repeat(), Script::new().read_request().wait(&fourth).write(OK)];
    let server = ScriptedServer::tcp(scripts.map(|script| script.then(Script::answering(OK)))).await.unwrap();
    let (outbound, recorder) = recorded();
    let client = outbound.client();
    let send = || {
        let sent = client.clone().oneshot(request(server.uri("/")));
        tokio::spawn(async move { sent.await.unwrap().into_body().collect().await.unwrap() })
    };
    let at_server = async |requests: usize| {
        server.wait_until(|log| log.iter().map(|one| one.requests).sum::<usize>() == requests).await;
    };

    send().await.unwrap();
    let begun_on = send();
    at_server(2).await;
    observe(&outbound, false);
    let (calls, headers) = (recorder.count("CallStarted"), recorder.count("on_request"));
    let begun_off = send();
    at_server(3).await;
    assert_eq!((recorder.count("ConnectionOpened"), recorder.count("AttemptStarted")), (1, 2));

    second.open();
    begun_on.await.unwrap();
    recorder.wait_until(|recorder| recorder.outcomes() == ["ok"; 2]).await;
    recorder.wait_until(|recorder| recorder.gauges() == (0, 1)).await;
    assert_eq!((recorder.count("CallStarted"), recorder.count("on_request")), (calls, headers));

    observe(&outbound, true);
    assert_eq!(recorder.count("ConnectionOpened"), 2, "the one that was opened meanwhile");
    assert_eq!(recorder.gauges(), (1, 1));
    fourth.open();
    begun_off.await.unwrap();
    recorder.wait_until(|recorder| recorder.gauges() == (0, 2)).await;
    assert_eq!(recorder.outcomes().len(), 2, "it began while nothing was observed");

    send().await.unwrap();
    assert_eq!(recorder.outcomes(), ["ok"; 3]);
    drop((client, outbound));
    recorder.settled().await;
}

#[tokio::test]
async fn observe_off_at_start_gives_no_event() {
    let server = ScriptedServer::tcp(Script::answering(OK)).await.unwrap();
    let recorder = Recorder::new();
    let settings = Settings::new().observe(false);
    let outbound = Outbound::builder().observer(recorder.clone()).settings(settings).build();
    let response = outbound.client().oneshot(request(server.uri("/"))).await.unwrap();
    response.into_body().collect().await.unwrap();
    assert_eq!(recorder.names(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn observe_switched_under_load_leaves_nothing_open() {
    let server = LoadServer::builder().uses(1..=20).start().await.unwrap();
    let (outbound, recorder) = recorded();
    let client = outbound.client();
    let callers = (0..16).map(|_| {
        let (client, uri) = (client.clone(), server.uri("/"));
        tokio::spawn(async move {
            for _ in 0..60 {
                // A connection may close under a request.
                if let Ok(response) = client.clone().oneshot(request(uri.clone())).await {
                    let _ = response.into_body().collect().await;
                }
            }
        })
    });
    let callers: Vec<_> = callers.collect();
    let mut on = true;
    while !callers.iter().all(tokio::task::JoinHandle::is_finished) {
        on = !on;
        observe(&outbound, on);
        tokio::task::yield_now().await;
    }
    for caller in callers {
        caller.await.unwrap();
    }
    observe(&outbound, true);
    drop((client, outbound));
    recorder.settled().await;
}

#[tokio::test]
async fn retries_off_hold_from_next_call() {
    let address = outbound_tests::server::closed_port().unwrap();
    let uri: http::Uri = format!("http://{address}/").parse().unwrap();
    let (outbound, recorder) = recorded();
    let client = outbound.client();
    for (settings, attempts) in
        [(Settings::new(), 3), (Settings::new().max_retries(0), 4), (Settings::new(), 7)]
    {
        outbound.apply(&settings);
        client.clone().oneshot(request(uri.clone())).await.unwrap_err();
        assert_eq!(recorder.count("AttemptStarted"), attempts);
    }
}
