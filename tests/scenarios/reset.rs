//! A reset takes every connection out of use, in the pools of this crate and in those of others.

use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use http::{Request, Uri};
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use outbound_tests::certs::Certs;
use outbound_tests::gate::Gate;
use outbound_tests::server::{DuplexConnector, Script, ScriptedServer};
use tower::{Service, ServiceExt as _};
use tower_layer::Layer as _;
use tower_outbound::outbound::Reset;
use tower_outbound::pool::Pool;
use tower_outbound::{BoxError, Error, Event, Outbound};

use crate::support::{Body, recorded, tcp};
use crate::timeouts::http2::{data, ok, settings};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Sends a GET and reads the response.
type Sends = Box<dyn Fn(Uri) -> LocalBoxFuture<'static, Result<(), BoxError>>>;

fn sends<S, B>(service: S) -> Sends
where
    S: Service<Request<Body>, Response = http::Response<B>, Error = Error> + Clone + 'static,
    S::Future: 'static,
    B: http_body::Body<Error = Error> + 'static,
{
    Box::new(move |uri| {
        let sent = service.clone().oneshot(Request::get(uri).body(Body::default()).unwrap());
        async { sent.await?.into_body().collect().await.map(drop).map_err(Into::into) }.boxed_local()
    })
}

fn by_outbound_client(outbound: &Outbound) -> Sends {
    sends(outbound.client())
}

fn by_hyper_util(outbound: &Outbound) -> Sends {
    sends(tcp(outbound))
}

/// closed, draining, unreached
fn counts(reset: Reset) -> (usize, usize, usize) {
    (reset.closed, reset.draining, reset.unreached)
}

#[tokio::test]
async fn reset_http1_closes_idle_drains_busy_and_fails_none() {
    for client in [by_outbound_client, by_hyper_util] {
        let gate = Gate::new();
        let held = Script::new().read_request().wait(&gate).write(OK).read_to_end();
        let scripts = [held, Script::answering(OK), Script::answering(OK)];
        let server = ScriptedServer::tcp(scripts).await.unwrap();
        let (outbound, recorder) = recorded();
        let send = client(&outbound);
        let others = async {
            server.wait_until(|log| log.iter().any(|connection| !connection.raw.is_empty())).await;
            send(server.uri("/")).await.unwrap();
            recorder.wait_until(|recorder| recorder.gauges() == (1, 1)).await;
            assert_eq!(counts(outbound.reset()), (1, 1, 0));
            assert_eq!(counts(outbound.reset()), (0, 0, 0));
            send(server.uri("/")).await.unwrap();
            gate.open();
        };
        let (busy, ()) = tokio::join!(send(server.uri("/")), others);
        busy.unwrap();
        recorder.wait_until(|recorder| recorder.close_reasons() == ["reset"; 2]).await;
        assert_eq!(server.accepted(), 3);
        assert_eq!(recorder.outcomes(), ["ok"; 3]);
        recorder.assert_no_faults();
    }
}

fn by_pool(outbound: &Outbound, peer: DuplexConnector) -> Sends {
    sends(outbound.attempt_layer().layer(Pool::builder().http2_only(true).build(outbound.connector(peer))))
}

fn by_hyper_util_http2(outbound: &Outbound, peer: DuplexConnector) -> Sends {
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build(outbound.connector(peer));
    sends(outbound.attempt_layer().layer(client))
}

#[tokio::test(start_paused = true)]
async fn reset_http2_finishes_streams_on_old_connection() {
    for client in [by_pool, by_hyper_util_http2] {
        let (begun, gate) = (Gate::new(), Gate::new());
        let begins = || Script::new().write(settings()).sleep(std::time::Duration::from_millis(10));
        let held = begins().write(ok(1, false)).open(&begun).wait(&gate).write(data(1, b"late", true));
        let second = begins().write(ok(1, true));
        let (server, peer) = ScriptedServer::duplex([held.read_to_end(), second.read_to_end()]);
        let (outbound, recorder) = recorded();
        let send = client(&outbound, peer);
        let others = async {
            begun.wait().await;
            assert_eq!(counts(outbound.reset()), (0, 1, 0));
            send(server.uri("/")).await.unwrap();
            assert_eq!(counts(outbound.reset()), (1, 0, 0));
            gate.open();
        };
        let (busy, ()) = tokio::join!(send(server.uri("/")), others);
        busy.unwrap();
        recorder.wait_until(|recorder| recorder.close_reasons() == ["reset"; 2]).await;
        assert_eq!(server.accepted(), 2);
        assert_eq!(recorder.outcomes(), ["ok"; 2]);
        recorder.assert_no_faults();
    }
}

#[tokio::test]
async fn reset_of_origin_leaves_other_origins() {
    for client in [by_outbound_client, by_hyper_util] {
        let [first, second] = [(); 2].map(|()| ScriptedServer::tcp(Script::answering(OK)));
        let (first, second) = (first.await.unwrap(), second.await.unwrap());
        let (outbound, recorder) = recorded();
        let send = client(&outbound);
        for server in [&first, &second] {
            send(server.uri("/")).await.unwrap();
        }
        recorder.wait_until(|recorder| recorder.gauges() == (0, 2)).await;
        assert_eq!(counts(outbound.reset_origin(&first.uri("/x"))), (1, 0, 0));
        assert_eq!(counts(outbound.reset_origin(&"/x".parse().unwrap())), (0, 0, 0));
        for server in [&first, &second] {
            send(server.uri("/")).await.unwrap();
        }
        assert_eq!([first.accepted(), second.accepted()], [2, 1]);
    }
}

/// TLS above the tracked connection: nothing can be said to the client between the records.
#[tokio::test]
async fn reset_counts_connections_it_cannot_reach() {
    let certs = Certs::new("peer.test");
    let script = Script::new().tls(certs.server_config(&["h2"])).read_exact(24).write(settings());
    let server = ScriptedServer::tcp(script.read_to_end()).await.unwrap();
    let resets = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = resets.clone();
    let observer = move |event: &Event<'_>| {
        if let Event::Reset { origin, reset, .. } = event {
            seen.lock().unwrap().push((origin.map(ToString::to_string), *reset));
        }
    };
    let outbound = Outbound::builder().observer(observer).build();
    let https = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(certs.client_config(&[]))
        .https_only()
        .enable_all_versions()
        .wrap_connector(outbound.connector(outbound.http_connector()));
    let client = Client::builder(TokioExecutor::new()).build(https);
    let send = sends(outbound.attempt_layer().layer(client));
    let mut waiting = send(server.uri_with("https", "127.0.0.1", "/"));
    let connected = async {
        server.wait_until(|log| log.iter().any(|connection| !connection.raw.is_empty())).await;
        assert_eq!(counts(outbound.reset()), (0, 0, 1));
    };
    tokio::select! {
        answer = &mut waiting => panic!("the server does not answer: {answer:?}"),
        () = connected => {}
    }
    let resets = resets.lock().unwrap();
    assert_eq!(resets.len(), 1);
    assert_eq!((&resets[0].0, counts(resets[0].1)), (&None, (0, 0, 1)));
}
