//! Timeouts of a connect.

use outbound_tests::certs::Certs;
use outbound_tests::server::{Ended, Script, ScriptedServer};
use tower_outbound::connect::{ConnectError, PhaseLayer};
use tower_outbound::timeouts::TimeoutKind;
use tower_outbound::{Kind, Phase};

use super::*;

fn recorded(
    set: impl FnOnce(tower_outbound::outbound::OutboundBuilder) -> tower_outbound::outbound::OutboundBuilder,
) -> (Outbound, Recorder) {
    let recorder = Recorder::new();
    (set(Outbound::builder().observer(recorder.clone())).build(), recorder)
}

#[track_caller]
fn check_connect(error: &Error, kind: TimeoutKind, duration: Duration) {
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(timeout) = error.downcast_ref::<TimeoutError>() {
            assert_eq!((timeout.kind(), timeout.duration()), (kind, duration));
            return;
        }
        source = error.source();
    }
    panic!("no TimeoutError in {error:?}");
}

#[tokio::test(start_paused = true)]
async fn connect_timeout_defaults_to_10_s_and_zero_is_off() {
    let ten = Duration::from_secs(10);
    for (set, took) in [(None, ten), (Some(2 * SECOND), 2 * SECOND)] {
        let (server, peer) = ScriptedServer::duplex(Script::answering(ANSWER));
        let (outbound, recorder) = recorded(|builder| match set {
            Some(set) => builder.connect_timeout(set),
            None => builder,
        });
        let client = stack(&outbound, outbound.connector(peer.delay(HOUR)), false);
        let (error, after) = fail(&client, get(&server)).await;
        assert_eq!(after, took);
        check_connect(&error, TimeoutKind::Connect, took);
        assert_eq!(
            (error.failure().kind(), error.failure().class()),
            (Kind::ConnectTimeout, Some(Class::Timeout))
        );
        assert!(error.failure().is_connect());
        // This connector reports no phases.
        assert_eq!(recorder.outcomes(), ["connect_timeout in acquire"]);
        assert_eq!(recorder.count("connect_failed"), 1);
        drop((client, outbound, error, server));
        nothing_left(&recorder).await;
    }
    let (server, peer) = ScriptedServer::duplex(Script::answering(ANSWER));
    let (outbound, recorder) = recorded(|builder| builder.connect_timeout(Duration::ZERO));
    let client = stack(&outbound, outbound.connector(peer.delay(HOUR)), false);
    assert_eq!(succeed(&client, get(&server)).await, HOUR);
    drop((client, outbound, server));
    nothing_left(&recorder).await;
}

#[tokio::test(start_paused = true)]
async fn connect_timeout_in_tcp_reports_phase_tcp() {
    let (server, peer) = ScriptedServer::duplex(Script::answering(ANSWER));
    let (outbound, recorder) = recorded(|builder| builder.connect_timeout(SECOND));
    let tcp = PhaseLayer::tcp().layer(peer.delay(HOUR));
    let client = stack(&outbound, outbound.connector(tcp), false);
    let (error, took) = fail(&client, get(&server)).await;
    assert_eq!((took, recorder.outcomes()), (SECOND, vec!["connect_timeout in tcp".to_owned()]));
    check_connect(&error, TimeoutKind::Connect, SECOND);
    drop((client, outbound, error, server));
    nothing_left(&recorder).await;
}

#[tokio::test(start_paused = true)]
async fn tls_timeout_on_hanging_handshake_closes_connection() {
    let certs = Certs::new("example.test");
    for (connect, tls, elapsed) in
        [(2 * SECOND, Duration::ZERO, 2 * SECOND), (2 * SECOND, SECOND, SECOND), (SECOND, HOUR, SECOND)]
    {
        // The peer reads the client hello and sends nothing.
        let (server, peer) = ScriptedServer::duplex(Script::new().read_to_end());
        let (outbound, recorder) = recorded(|builder| builder.connect_timeout(connect).tls_timeout(tls));
        let https = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(certs.client_config(&[]))
            .https_only()
            .enable_http1()
            .wrap_connector(PhaseLayer::tcp().layer(peer.delay(ms(400))));
        let client = stack(&outbound, outbound.connector(https), false);
        let uri = server.uri_with("https", "example.test", "/");
        let (error, took) = fail(&client, secret::request(&uri, nothing())).await;
        // The TLS timeout counts from the start of the handshake.
        assert_eq!(took, if tls == SECOND { ms(400) + SECOND } else { elapsed });
        check_connect(&error, TimeoutKind::Tls, elapsed);
        assert_eq!(error.failure().kind(), Kind::TlsTimeout);
        assert_eq!(recorder.outcomes(), ["tls_timeout in tls"]);
        assert_eq!(recorder.phases()[..2], [(Phase::Tcp, "ok"), (Phase::Tls, "tls_timeout")]);
        // Before the error, the client and the stack are dropped.
        server.wait_until(|log| log[0].ended == Some(Ended::PeerClosed)).await;
        drop((client, outbound, error, server));
        nothing_left(&recorder).await;
    }
}

#[tokio::test(start_paused = true)]
async fn connect_timeout_does_not_apply_after_handshake() {
    let certs = Certs::new("example.test");
    let script = Script::new()
        .sleep(ms(900))
        .tls(certs.server_config(&["http/1.1"]))
        .read_request()
        .sleep(HOUR)
        .write(ANSWER)
        .hang();
    let (server, peer) = ScriptedServer::duplex(script);
    let (outbound, recorder) = recorded(|builder| {
        let late = Timeouts::new().first_byte(2 * HOUR);
        builder.connect_timeout(2 * SECOND).tls_timeout(SECOND).timeouts(late)
    });
    let https = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(certs.client_config(&[]))
        .https_only()
        .enable_http1()
        .wrap_connector(PhaseLayer::tcp().layer(peer.delay(ms(900))));
    let client = stack(&outbound, outbound.connector(https), false);
    let uri = server.uri_with("https", "example.test", "/");
    assert_eq!(succeed(&client, secret::request(&uri, nothing())).await, ms(1800) + HOUR);
    drop((client, outbound, server));
    nothing_left(&recorder).await;
}

#[tokio::test(start_paused = true)]
async fn connect_timeout_on_track_layer_alone_applies() {
    let (server, peer) = ScriptedServer::duplex(Script::answering(ANSWER));
    let (outbound, recorder) = recorded(|builder| builder);
    let track = outbound.track_layer().connect_timeout(SECOND).tls_timeout(SECOND);
    let connect = track.layer(peer.delay(HOUR)).oneshot(server.uri("/"));
    let error = connect.await.unwrap_err();
    let error = error.downcast_ref::<ConnectError>().unwrap();
    assert_eq!((error.failure().kind(), error.failure().phase()), (Kind::ConnectTimeout, None));
    drop((outbound, server));
    nothing_left(&recorder).await;
}

#[tokio::test(start_paused = true)]
async fn connect_retries_stay_within_one_and_a_half_timeouts() {
    let certs = Certs::new("example.test");
    // Each address takes its time to fail, or the handshake hangs.
    for (connect, hangs, attempts, took) in
        [(ms(0), true, 2, ms(15_000)), (ms(8_000), true, 2, ms(15_000)), (ms(3_000), false, 3, ms(9_000))]
    {
        let script = if hangs { Script::new().read_to_end() } else { Script::new().reset() };
        let (server, peer) = ScriptedServer::duplex(script);
        let (outbound, recorder) =
            recorded(|builder| builder.retry(|retry| retry.backoff(Duration::ZERO, Duration::ZERO)));
        let https = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(certs.client_config(&[]))
            .https_only()
            .enable_http1()
            .wrap_connector(peer.delay(connect));
        let client = Client::builder(TokioExecutor::new())
            .retry_canceled_requests(false)
            .build(outbound.connector(https));
        let client = outbound.layer().layer(client);
        let uri = server.uri_with("https", "example.test", "/");
        let start = Instant::now();
        let request = Request::get(uri).body(nothing()).unwrap();
        let error = client.oneshot(request).await.map(drop).unwrap_err();
        assert!(error.failure().is_connect());
        assert_eq!((start.elapsed(), recorder.outcomes().len()), (took, attempts));
        drop((outbound, error, server));
        nothing_left(&recorder).await;
    }
}

#[tokio::test(start_paused = true)]
async fn connect_refused_costs_30_ms_at_most_with_retries() {
    let (outbound, recorder) = recorded(|builder| builder);
    let refusing = tower::service_fn(|_: http::Uri| {
        let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        std::future::ready(Err::<hyper_util::rt::TokioIo<tokio::net::TcpStream>, _>(refused))
    });
    let client = Client::builder(TokioExecutor::new())
        .retry_canceled_requests(false)
        .build(outbound.connector(refusing));
    let client = outbound.layer().layer(client);
    let mut longest = Duration::ZERO;
    // An origin each: the budget of one would end its retries.
    for port in 1..200 {
        let request = Request::get(format!("http://peer.test:{port}/")).body(nothing()).unwrap();
        let start = Instant::now();
        let error = client.clone().oneshot(request).await.map(drop).unwrap_err();
        assert_eq!(error.history().len(), 2);
        longest = longest.max(start.elapsed());
    }
    assert!(longest <= ms(30) && longest > ms(15), "{longest:?}");
    drop((outbound, client));
    nothing_left(&recorder).await;
}
