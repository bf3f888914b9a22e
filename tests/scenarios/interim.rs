//! Interim responses, in any combination of reads with the final one, on each client: the next request begins a turn of
//! its own.

use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use outbound_tests::recorder::Recorder;
use outbound_tests::secret;
use outbound_tests::server::{Script, ScriptedServer};
use tower::ServiceExt as _;
use tower_layer::Layer as _;
use tower_outbound::{Reuse, SendState, Timings};

use crate::http1_clients::{AnyBody, AnyClient, HTTP1_CLIENTS, any};
use crate::support::recorded;

const EARLY: &str = "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n";
const CONTINUE: &str = "HTTP/1.1 100 Continue\n\n";
const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Answers two requests with these writes each, and reads the third one whole.
fn peer(writes: &[String]) -> Script {
    let answer = |script: Script| {
        writes.iter().fold(script.read_request(), |script, bytes| script.write(bytes.clone()))
    };
    answer(answer(Script::new())).read_request().close()
}

/// Sends two requests that are answered, and a POST that is read and not answered.
async fn three_uses(client: &AnyClient, server: &ScriptedServer, recorder: &Recorder, name: &str) {
    let mut uses = Vec::new();
    let post = || {
        let body = Full::from("upload").map_err(|never| match never {}).boxed_unsync();
        let mut request: http::Request<AnyBody> = secret::request(&server.uri("/"), body);
        *request.method_mut() = http::Method::POST;
        request
    };
    for _ in 0..2 {
        let response = client.clone().oneshot(post()).await.unwrap();
        let timings = response.extensions().get::<Timings>().unwrap().clone();
        response.into_body().collect().await.unwrap();
        uses.push((timings.reuse(), timings.usage().unwrap().number()));
    }
    let error = client.clone().oneshot(post()).await.map(drop).unwrap_err();
    let attempt = error.attempt().unwrap();
    uses.push((attempt.reuse(), attempt.usage().unwrap().number()));
    assert_eq!(uses, [(Reuse::New, 1), (Reuse::Reused, 2), (Reuse::Reused, 3)], "{name}");
    assert_eq!(error.failure().send_state(), Some(SendState::Sent), "{name}");
    assert_eq!((server.accepted(), recorder.count("ConnectionOpened")), (1, 1), "{name}");
}

/// Ways to write three interim heads and the final one.
fn writes() -> Vec<Vec<String>> {
    let joined = format!("{EARLY}{CONTINUE}{EARLY}{ANSWER}");
    let mut all = vec![
        vec![joined.clone()],
        vec![EARLY.to_owned(), CONTINUE.to_owned(), ANSWER.to_owned()],
        vec![format!("{EARLY}HTTP/1.1 10"), format!("0 Continue\r\n\r\n{ANSWER}")],
    ];
    let last = joined.len() - ANSWER.len();
    for cut in [5, 12, EARLY.len(), EARLY.len() + 11, last + 9] {
        let (first, second) = joined.split_at(cut);
        all.push(vec![first.to_owned(), second.to_owned()]);
    }
    all
}

#[tokio::test(start_paused = true)]
async fn interim_and_final_in_any_reads_are_one_use() {
    for writes in writes() {
        let (server, peer) = ScriptedServer::duplex(peer(&writes));
        let (outbound, recorder) = recorded();
        let client = Client::builder(TokioExecutor::new()).build(outbound.connector(peer));
        let client = any(outbound.attempt_layer().layer(client));
        three_uses(&client, &server, &recorder, &format!("{writes:?}")).await;
    }
}

#[tokio::test]
async fn interim_and_final_in_one_read_are_one_use_on_each_client() {
    for (name, connect) in HTTP1_CLIENTS {
        let server = ScriptedServer::tcp(peer(&writes()[0])).await.unwrap();
        let (outbound, recorder) = recorded();
        let client = connect(outbound, server.uri("/")).await;
        three_uses(&client, &server, &recorder, name).await;
    }
}
