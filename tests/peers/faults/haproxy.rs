//! haproxy as the server, or in front of one that fails.

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

use super::caller::{Caller, Options, Told};
use super::http::Http;
use crate::runner::Check;

/// Long enough for a request to be written on a machine that is busy.
const LIMIT: Duration = Duration::from_millis(700);
/// Its log is written after the connection is closed.
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

/// Every version of HTTP, over TCP and TLS: the server, and a client for it.
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

/// It ends at once when it is asked to: what it has still to log is waited for.
async fn ended(mut haproxy: Daemon, told: &Told, logged: bool) {
    if logged {
        haproxy.wait_for(|haproxy| haproxy.output().contains("/fault"), LOGGED_WITHIN).await;
    }
    haproxy.end().await.unwrap();
    told.logged(haproxy.output().contains("/fault"), logged);
}

/// Sends one request for `/fault` each way; haproxy's log has it or has it not.
async fn each(lines: &str, limits: Timeouts, logged: bool, check: impl Fn(&Told)) {
    for (haproxy, caller, scheme) in pairs(|| Haproxy::frontend(lines), limits).await {
        let told = caller.get(&haproxy.uri(scheme, "/fault")).await;
        check(&told);
        caller.close().await;
        ended(haproxy, &told, logged).await;
    }
}

/// haproxy ends the connection; on HTTP/2 it resets the stream before.
async fn rejects() {
    each(" http-request reject", Timeouts::new(), true, |told| {
        told.is(HAPROXY, if told.http == Http::One { "fin-after-request" } else { "rst-after-request" });
    })
    .await;
}

/// haproxy resets it at once: the client may still be in its `connect`.
async fn rejects_connections() {
    let lines = " tcp-request connection reject";
    for (haproxy, caller, scheme) in pairs(|| Haproxy::frontend(lines), Timeouts::new()).await {
        let told = caller.get(&haproxy.uri(scheme, "/fault")).await;
        told.is(HAPROXY, "reset-at-accept");
        if told.failure.as_ref().is_some_and(Failure::is_connect) {
            assert_eq!(told.send(), Some(SendState::NotSent));
        }
        caller.close().await;
        ended(haproxy, &told, false).await;
    }
}

/// Without a word on HTTP/1; where haproxy has more to read or write, the system resets the connection for it.
async fn drops() {
    let haproxy = Haproxy::frontend(" http-request silent-drop").start().await.unwrap();
    let caller = Caller::new(Http::One, Options::limits(Timeouts::new().first_byte(LIMIT)));
    caller.get(&haproxy.uri("http", "/fault")).await.is(HAPROXY, "no-answer");
    caller.close().await;
}

/// It is in the log only when it is let out.
async fn tarpit() {
    let haproxy = || Haproxy::frontend(" timeout tarpit 20s\n http-request tarpit");
    for (haproxy, caller, scheme) in pairs(haproxy, Timeouts::new().first_byte(LIMIT)).await {
        caller.get(&haproxy.uri(scheme, "/fault")).await.is(HAPROXY, "no-answer");
        caller.close().await;
    }
}

async fn denies() {
    each(" http-request deny", Timeouts::new(), true, |told| {
        told.has("ok", "–", "–");
        assert_eq!(told.status, Some(403));
    })
    .await;
}

/// 103, and then the answer.
async fn early_hint() {
    let lines =
        " http-request early-hint link \"</style.css>; rel=preload\"\n http-request return status 200";
    each(lines, Timeouts::new(), true, |told| {
        told.is(HAPROXY, "unexpected-1xx");
        assert_eq!(told.status, Some(200));
    })
    .await;
}

/// The server behind it ends amid the body: haproxy ends the answer there, on HTTP/2 as if it were whole, which
/// breaks the protocol as a body that is too long does.
async fn server_lost() {
    let cut = Script::new().read_request().write("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello");
    let server = ScriptedServer::tcp(cut).await.unwrap();
    let backend = format!("backend back\n server one {}", server.address().unwrap());
    let haproxy = || Haproxy::frontend(" default_backend back").sections(&backend);
    for (haproxy, caller, scheme) in pairs(haproxy, Timeouts::new()).await {
        let told = caller.get(&haproxy.uri(scheme, "/fault")).await;
        told.is(
            HAPROXY,
            if told.http == Http::One { "fin-mid-body" } else { "body-longer-than-content-length" },
        );
        assert_eq!(told.status, Some(200));
        caller.close().await;
        ended(haproxy, &told, true).await;
    }
}

/// `verify required`: with TLS 1.3 the client has its handshake done, and is refused after that.
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
            let told = caller.get(&haproxy.uri("https", "/fault")).await;
            told.is(HAPROXY, slug);
            caller.close().await;
            ended(haproxy, &told, false).await;
        }
    }
}

/// One that speaks this version of TLS alone, and has no certificate.
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
        let told = caller.get(&haproxy.uri("https", "/fault")).await;
        told.is(HAPROXY, "tls-on-http-port");
        assert_eq!(told.send(), Some(SendState::NotSent));
        caller.close().await;
        ended(haproxy, &told, false).await;
    }
}
