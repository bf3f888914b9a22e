use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::Method;
use outbound_tests::certs::Certs;
use outbound_tests::gate::Gate;
use outbound_tests::server::{Script, ScriptedServer};
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tower_layer::Layer as _;
use tower_outbound::failure::TlsAlert;
use tower_outbound::{Kind, Outbound, SendState};

use super::*;

#[tokio::test]
async fn drop_of_last_pool_closes_idle_connection() {
    let server = ScriptedServer::tcp(Script::answering(OK)).await.unwrap();
    let (pool, recorder) = tcp(|pool| pool);
    let clone = pool.clone();
    read!(pool, request(server.uri("/"))).await.unwrap();
    drop(pool);
    assert_eq!(recorder.gauges(), (0, 1));
    drop(clone);
    recorder.wait_until(|recorder| recorder.close_reasons() == ["dropped"]).await;
}

#[tokio::test]
async fn body_outlives_its_pool() {
    let gate = Gate::new();
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nok";
    let script = Script::new().read_request().write(head).wait(&gate).write("ok").read_to_end();
    let server = ScriptedServer::tcp(script).await.unwrap();
    let (pool, recorder) = tcp(|pool| pool);
    let response = pool.oneshot(request(server.uri("/"))).await.unwrap();
    gate.open();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "okok");
    recorder.wait_until(|recorder| recorder.close_reasons() == ["dropped"]).await;
}

#[tokio::test]
async fn max_uses_closes_after_its_last_request() {
    let server = ScriptedServer::tcp(Script::answering(OK)).await.unwrap();
    let (pool, recorder) = tcp(|pool| pool.max_uses(2));
    for _ in 0..4 {
        read!(pool, request(server.uri("/"))).await.unwrap();
    }
    recorder.wait_until(|recorder| recorder.close_reasons() == ["max_uses"; 2]).await;
    assert_eq!(server.accepted(), 2);
}

#[tokio::test(start_paused = true)]
async fn max_age_closes_idle_connection_within_a_tenth() {
    let (server, peer) = ScriptedServer::duplex(Script::answering(OK));
    let (pool, recorder) = duplex(peer, |pool| pool.max_age(ms(1000)).idle_timeout(Duration::ZERO));
    read!(pool, request(server.uri("/"))).await.unwrap();
    tokio::time::sleep(ms(899)).await;
    assert_eq!(recorder.gauges(), (0, 1));
    tokio::time::sleep(ms(1200)).await;
    assert_eq!(recorder.close_reasons(), ["max_age"]);
    read!(pool, request(server.uri("/"))).await.unwrap();
    assert_eq!(server.accepted(), 2);
}

#[tokio::test]
async fn reset_closes_idle_drains_busy_and_fails_none() {
    let gate = Gate::new();
    let held = Script::new().read_request().wait(&gate).write(OK).read_to_end();
    let server = ScriptedServer::tcp([held, Script::answering(OK), Script::answering(OK)]).await.unwrap();
    let (pool, recorder) = tcp(|pool| pool);
    let busy = tokio::spawn(read!(pool, request(server.uri("/"))));
    server.wait_until(|log| log.iter().any(|connection| !connection.raw.is_empty())).await;
    read!(pool, request(server.uri("/"))).await.unwrap();
    let reset = pool.reset();
    assert_eq!((reset.closed, reset.draining), (1, 1));
    read!(pool, request(server.uri("/"))).await.unwrap();
    assert_eq!(server.accepted(), 3);
    gate.open();
    busy.await.unwrap().unwrap();
    recorder.wait_until(|recorder| recorder.close_reasons() == ["reset"; 2]).await;
}

#[tokio::test]
async fn reset_of_origin_leaves_others() {
    let [first, second] = [(); 2].map(|()| ScriptedServer::tcp(Script::answering(OK)));
    let (first, second) = (first.await.unwrap(), second.await.unwrap());
    let (pool, _) = tcp(|pool| pool);
    for server in [&first, &second] {
        read!(pool, request(server.uri("/"))).await.unwrap();
    }
    assert_eq!(pool.reset_origin(&first.uri("/x")).closed, 1);
    assert_eq!(pool.reset_origin(&"http://nowhere.test/".parse().unwrap()).closed, 0);
    for server in [&first, &second] {
        read!(pool, request(server.uri("/"))).await.unwrap();
    }
    assert_eq!([first.accepted(), second.accepted()], [2, 1]);
}

/// The peer closes the idle connection while the only thread is busy: the POST is not sent on it, and not lost.
#[tokio::test]
async fn dead_connection_returns_the_request_within_the_attempt() {
    let (close, closed) = (Gate::new(), Gate::new());
    let dies = Script::new().read_request().write(OK).wait(&close).shutdown().open(&closed).read_to_end();
    let server = ScriptedServer::tcp([dies, Script::answering(OK)]).await.unwrap();
    let (outbound, recorder) = recorded();
    let client = outbound.client();
    client.get(server.uri("/")).await.unwrap().into_body().bytes().await.unwrap();
    close.open();
    closed.wait().await;
    // No task of the connection has run since.
    let response = client.post(server.uri("/"), "an order").await.unwrap();
    response.into_body().bytes().await.unwrap();
    assert_eq!(recorder.outcomes(), ["ok"; 2]);
    assert_eq!(server.accepted(), 2);
    assert_eq!(server.requests(), 2, "each request was read once");
}

#[tokio::test]
async fn peer_that_closes_each_connection_fails_not_sent() {
    let server = ScriptedServer::tcp(Script::new()).await.unwrap();
    let (pool, _) = tcp(|pool| pool);
    let mut post = request(server.uri("/"));
    *post.method_mut() = Method::POST;
    let (failure, _) = failure(read!(pool, post).await);
    // The peer may close before or after the write.
    let known = [Kind::ResponseEnded, Kind::ConnectionReset, Kind::ConnectionAborted];
    assert!(known.contains(&failure.kind()), "{failure:?}");
    assert_ne!(failure.send_state(), Some(SendState::Sent));
}

/// Refuses each handshake by an alert. Returns the port, and counts the connections.
async fn refusing(config: Arc<ServerConfig>) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let accepted = Arc::new(AtomicUsize::new(0));
    let count = accepted.clone();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::Relaxed);
            let handshake = TlsAcceptor::from(config.clone()).accept(tcp).into_fallible();
            tokio::spawn(async move {
                // A close with bytes unread would be a reset, which may overtake the alert.
                if let Err((_, mut tcp)) = handshake.await {
                    let _ = tokio::io::copy(&mut tcp, &mut tokio::io::sink()).await;
                }
            });
        }
    });
    (port, accepted)
}

/// With TLS 1.3 the alert comes after the client's handshake: hyper may have the request by then, or not yet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_alert_for_new_connection_reaches_its_request() {
    const CALLS: usize = 50;
    let (certs, clients) = (Certs::new("peer.test"), Certs::new("client.test"));
    for alpn in ["http/1.1", "h2"] {
        let (port, accepted) = refusing(certs.server_config_asking_for(&clients, &[alpn])).await;
        let client = Outbound::new().client_builder().tls_config(certs.client_config(&[])).build();
        for _ in 0..CALLS {
            let error = client.get(format!("https://localhost:{port}/")).await.unwrap_err();
            let alert = error.failure().tls_alert().map(TlsAlert::as_str);
            assert_eq!(alert, Some("certificate_required"), "{error:?}");
            assert_eq!(error.history().len(), 0, "such a failure is for good: {:?}", error.history());
        }
        assert_eq!(accepted.load(Ordering::Relaxed), CALLS, "{alpn}");
    }
}

/// The peer answers the upload and reads no more of it.
#[tokio::test(start_paused = true)]
async fn peer_that_takes_nothing_keeps_no_connection_of_dropped_pool() {
    for keep in [true, false] {
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        let (server, peer) = ScriptedServer::duplex(Script::new().read_head().write(answer).hang());
        let (outbound, recorder) = recorded();
        let pool = Pool::builder().build(outbound.connector(peer));
        let client = outbound.attempt_layer().layer(pool);
        let upload = Request::post(server.uri("/")).body(Body::from(vec![b'u'; 8 << 20])).unwrap();
        let start = Instant::now();
        client.clone().oneshot(upload).await.unwrap().into_body().collect().await.unwrap();
        let client = keep.then_some(client);
        let closes = recorder.wait_until(|recorder| recorder.count("ConnectionClosed") == 1);
        tokio::time::timeout(ms(60_000), closes).await.expect("it closes");
        let closed = start.elapsed();
        match keep {
            true => assert_eq!((closed, recorder.close_reasons()), (ms(10_000), vec!["silent"])),
            false => assert!(closed <= ms(2_000), "{closed:?}, {:?}", recorder.close_reasons()),
        }
        drop((client, server));
    }
}
