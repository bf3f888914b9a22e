//! haproxy as the server, or in front of a failing server.

use std::sync::Arc;
use std::time::Duration;

use outbound_tests::certs::Certs;
use outbound_tests::peers::{Daemon, HAPROXY, Haproxy};
use outbound_tests::server::{Script, ScriptedServer};
use rustls::crypto::ring;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, SupportedProtocolVersion};
use tower_outbound::timeouts::Timeouts;
use tower_outbound::{Failure, SendState};

use super::caller::{Caller, Options, Reported};
use super::http::Http;
use outbound_tests::peers::checks::Check;

/// Long enough to write a request on a busy machine.
const LIMIT: Duration = Duration::from_millis(700);
/// haproxy writes its log after the connection is closed.
const LOGGED_WITHIN: Duration = Duration::from_secs(10);

pub(super) fn checks() -> Vec<Check> {
    vec![
        Check::new("rejects_a_request", HAPROXY, rejects),
        Check::new("rejects_a_connection", HAPROXY, rejects_connections),
        Check::new("drops_a_request_without_an_answer", HAPROXY, drops),
        Check::new("holds_a_request_in_the_tarpit", HAPROXY, tarpit),
        Check::new("answers_403_where_it_denies", HAPROXY, denies),
        Check::new("sends_an_early_hint", HAPROXY, early_hint),
        Check::new("loses_its_server_amid_a_body", HAPROXY, server_lost),
        Check::new("wants_a_client_certificate", HAPROXY, client_certificate),
        Check::new("gets_tls_on_its_plain_port", HAPROXY, tls_on_plain),
    ]
}

/// A server and a client for each HTTP version, over TCP and over TLS.
async fn pairs(haproxy: impl Fn() -> Haproxy, limits: Timeouts) -> Vec<(Daemon, Caller, &'static str)> {
    let mut pairs = Vec::new();
    for http in Http::BOTH {
        for tls in [false, true] {
            let certs = Certs::new("haproxy.test");
            let haproxy = match (http, tls) {
                (_, false) if http == Http::Two => haproxy().bind("proto h2"),
                (_, false) => haproxy(),
                (Http::Two, _) => haproxy().tls(&certs).bind("alpn h2"),
                _ => haproxy().tls(&certs).bind("alpn http/1.1"),
            };
            let tls = tls.then(|| certs.client_config(&[]));
            let scheme = if tls.is_some() { "https" } else { "http" };
            let caller = Caller::new(http, Options { tls, limits, ..Options::new() });
            pairs.push((haproxy.start().await.unwrap(), caller, scheme));
        }
    }
    pairs
}

/// Ends haproxy and compares its log. haproxy ends at once, so the log line is awaited first.
async fn ended(mut haproxy: Daemon, reported: &Reported, logged: bool) {
    if logged {
        haproxy.wait_for(|haproxy| haproxy.output().contains("/fault"), LOGGED_WITHIN).await;
    }
    haproxy.end().await.unwrap();
    reported.logged(haproxy.output().contains("/fault"), logged);
}

/// Sends one request for `/fault` over each pair; `logged` says whether haproxy's log must have it.
async fn each(lines: &str, limits: Timeouts, logged: bool, check: impl Fn(&Reported)) {
    for (haproxy, caller, scheme) in pairs(|| Haproxy::frontend(lines), limits).await {
        let reported = caller.get(&haproxy.uri(scheme, "/fault")).await;
        check(&reported);
        caller.close().await;
        ended(haproxy, &reported, logged).await;
    }
}

/// haproxy closes the connection; on HTTP/2 it resets the stream first.
async fn rejects() {
    each(" http-request reject", Timeouts::new(), true, |reported| {
        reported
            .is(HAPROXY, if reported.http == Http::One { "fin-after-request" } else { "rst-after-request" });
    })
    .await;
}

/// haproxy resets the connection at once: the client's `connect` may still be running.
async fn rejects_connections() {
    let lines = " tcp-request connection reject";
    for (haproxy, caller, scheme) in pairs(|| Haproxy::frontend(lines), Timeouts::new()).await {
        let reported = caller.get(&haproxy.uri(scheme, "/fault")).await;
        reported.is(HAPROXY, "reset-at-accept");
        if reported.failure.as_ref().is_some_and(Failure::is_connect) {
            assert_eq!(reported.send(), Some(SendState::NotSent));
        }
        caller.close().await;
        ended(haproxy, &reported, false).await;
    }
}

/// HTTP/1 without TLS only: with more to read or write, the system resets the connection.
async fn drops() {
    let haproxy = Haproxy::frontend(" http-request silent-drop").start().await.unwrap();
    let caller = Caller::new(Http::One, Options::limits(Timeouts::new().first_byte(LIMIT)));
    caller.get(&haproxy.uri("http", "/fault")).await.is(HAPROXY, "no-answer");
    caller.close().await;
}

/// haproxy logs the request only when it leaves the tarpit.
async fn tarpit() {
    let haproxy = || Haproxy::frontend(" timeout tarpit 20s\n http-request tarpit");
    for (haproxy, caller, scheme) in pairs(haproxy, Timeouts::new().first_byte(LIMIT)).await {
        caller.get(&haproxy.uri(scheme, "/fault")).await.is(HAPROXY, "no-answer");
        caller.close().await;
    }
}

async fn denies() {
    each(" http-request deny", Timeouts::new(), true, |reported| {
        reported.has("ok", "–", "–");
        assert_eq!(reported.status, Some(403));
    })
    .await;
}

/// 103, then the final response.
async fn early_hint() {
    let lines =
        " http-request early-hint link \"</style.css>; rel=preload\"\n http-request return status 200";
    each(lines, Timeouts::new(), true, |reported| {
        reported.is(HAPROXY, "unexpected-1xx");
        assert_eq!(reported.status, Some(200));
    })
    .await;
}

/// The server behind haproxy closes within the body. haproxy cuts the response. On HTTP/2 it ends the stream in
/// order, so the body has the wrong length: a protocol error, as for a body that is too long.
async fn server_lost() {
    let cut = Script::new().read_request().write("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello");
    let server = ScriptedServer::tcp(cut).await.unwrap();
    let backend = format!("backend back\n server one {}", server.address().unwrap());
    let haproxy = || Haproxy::frontend(" default_backend back").sections(&backend);
    for (haproxy, caller, scheme) in pairs(haproxy, Timeouts::new()).await {
        let reported = caller.get(&haproxy.uri(scheme, "/fault")).await;
        reported.is(
            HAPROXY,
            if reported.http == Http::One { "fin-mid-body" } else { "body-longer-than-content-length" },
        );
        assert_eq!(reported.status, Some(200));
        caller.close().await;
        ended(haproxy, &reported, true).await;
    }
}

/// `verify required`: with TLS 1.3 the refusal comes after the client has completed its handshake.
async fn client_certificate() {
    for (version, slug) in
        [(&TLS12, "client-certificate-refused-tls12"), (&TLS13, "client-certificate-refused-tls13")]
    {
        for http in Http::BOTH {
            let (certs, clients) = (Certs::new("haproxy.test"), Certs::new("client.test"));
            let haproxy = Haproxy::frontend(" http-request deny").tls(&certs).asking_for(&clients);
            let haproxy = haproxy
                .bind(if http == Http::One { "alpn http/1.1" } else { "alpn h2" })
                .start()
                .await
                .unwrap();
            let caller = Caller::new(http, Options::tls(client(&certs, version)));
            let reported = caller.get(&haproxy.uri("https", "/fault")).await;
            reported.is(HAPROXY, slug);
            caller.close().await;
            ended(haproxy, &reported, false).await;
        }
    }
}

/// A client with this TLS version only, and without a certificate.
pub(super) fn client(certs: &Certs, version: &'static SupportedProtocolVersion) -> ClientConfig {
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(certs.roots())
        .with_no_client_auth()
}

async fn tls_on_plain() {
    for http in Http::BOTH {
        let certs = Certs::new("haproxy.test");
        let haproxy = Haproxy::frontend(" http-request deny").start().await.unwrap();
        let caller = Caller::new(http, Options::tls(certs.client_config(&[])));
        let reported = caller.get(&haproxy.uri("https", "/fault")).await;
        reported.is(HAPROXY, "tls-on-http-port");
        assert_eq!(reported.send(), Some(SendState::NotSent));
        caller.close().await;
        ended(haproxy, &reported, false).await;
    }
}
