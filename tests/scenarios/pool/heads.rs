use http::header::HOST;
use http::{HeaderValue, Method};
use outbound_tests::server::{Script, ScriptedServer};
use tower_outbound::Kind;

use super::*;

/// The head that the peer reads of a request.
async fn head(
    uri: &'static str,
    options: impl FnOnce(PoolBuilder) -> PoolBuilder,
    change: impl FnOnce(&mut Request<Body>),
) -> String {
    let (server, peer) = ScriptedServer::duplex(Script::answering(OK));
    let (pool, _) = duplex(peer, options);
    let mut request = request(Uri::from_static(uri));
    change(&mut request);
    read!(pool, request).await.unwrap();
    String::from_utf8(server.log()[0].raw.clone()).unwrap()
}

#[tokio::test]
async fn path_and_host_are_sent_without_default_port() {
    for (uri, expected) in [
        ("http://a.test/x?y", "GET /x?y HTTP/1.1\r\nhost: a.test\r\n\r\n"),
        ("http://a.test:80", "GET / HTTP/1.1\r\nhost: a.test\r\n\r\n"),
        ("http://a.test:8080/", "GET / HTTP/1.1\r\nhost: a.test:8080\r\n\r\n"),
        ("http://[::1]:81/?q", "GET /?q HTTP/1.1\r\nhost: [::1]:81\r\n\r\n"),
        ("http://A.Test/", "GET / HTTP/1.1\r\nhost: A.Test\r\n\r\n"),
    ] {
        assert_eq!(head(uri, |pool| pool, |_| ()).await, expected, "{uri}");
    }
}

#[tokio::test]
async fn host_of_the_caller_stays() {
    let own = |request: &mut Request<Body>| {
        request.headers_mut().insert(HOST, HeaderValue::from_static("virtual.test"));
    };
    let sent = head("http://a.test/", |pool| pool, own).await;
    assert_eq!(sent, "GET / HTTP/1.1\r\nhost: virtual.test\r\n\r\n");
    let sent = head("http://a.test/", |pool| pool.set_host(false), |_| ()).await;
    assert_eq!(sent, "GET / HTTP/1.1\r\n\r\n");
}

#[tokio::test]
async fn user_info_becomes_basic_authorization() {
    let sent = head("http://user:pw@a.test/", |pool| pool, |_| ()).await;
    assert_eq!(sent, "GET / HTTP/1.1\r\nauthorization: Basic dXNlcjpwdw==\r\nhost: a.test\r\n\r\n");
}

#[tokio::test]
async fn connect_has_the_authority_as_target() {
    let connect = |request: &mut Request<Body>| {
        *request.method_mut() = Method::CONNECT;
        *request.uri_mut() = Uri::from_static("a.test:8443");
    };
    let sent = head("http://a.test:8443", |pool| pool, connect).await;
    assert!(sent.starts_with("CONNECT a.test:8443 HTTP/1.1\r\nhost: a.test:8443\r\n"), "{sent}");
}

#[tokio::test]
async fn options_of_hyper_pass_through() {
    let title = |pool: PoolBuilder| {
        pool.http1(|http1| {
            http1.title_case_headers(true);
        })
    };
    let sent = head("http://a.test/", title, |_| ()).await;
    assert_eq!(sent, "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
}

#[tokio::test]
async fn relative_uri_and_wrong_version_are_refused() {
    let (server, peer) = ScriptedServer::duplex(Script::answering(OK));
    let (pool, _) = duplex(peer, |pool| pool);
    let mut over_http2 = request(server.uri("/"));
    *over_http2.version_mut() = http::Version::HTTP_2;
    for (request, says) in [
        (request(Uri::from_static("/x")), "the URI is not absolute"),
        (over_http2, "the request asks for HTTP/2, and the connection speaks HTTP/1"),
    ] {
        let (failure, message) = failure(read!(pool, request).await);
        assert_eq!(failure.kind(), Kind::InvalidRequest);
        assert!(message.contains(says), "{message}");
    }
    assert_eq!(server.requests(), 0);
}

#[tokio::test]
async fn http2_options_are_in_the_settings() {
    let server = ScriptedServer::tcp(Script::new().read_to_end()).await.unwrap();
    let (pool, _) = tcp(|pool| {
        pool.http2_only(true).http2(|http2| {
            http2.initial_stream_window_size(4 << 20);
        })
    });
    let call = tokio::spawn(read!(pool, request(server.uri("/"))));
    // SETTINGS_INITIAL_WINDOW_SIZE (RFC 9113, section 6.5.2).
    let window = [0, 4, 0, 0x40, 0, 0];
    server.wait_until(|log| log.iter().any(|one| one.raw.windows(6).any(|bytes| bytes == window))).await;
    call.abort();
}
