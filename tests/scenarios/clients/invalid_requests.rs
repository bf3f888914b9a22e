//! A request that cannot be sent fails with `InvalidRequest`, and never panics.

use http::{Request, Uri};
use outbound_tests::secret::{self, MARKER};
use outbound_tests::server::{Script, ScriptedServer};
use tower_outbound::{Error, Kind};

use crate::support::{Body, recorded};

/// The error names the fault, and shows no secret.
#[track_caller]
fn is_invalid(error: &Error, named: &str) {
    assert_eq!(error.failure().kind(), Kind::InvalidRequest, "{error}");
    assert_eq!(error.failure().class(), None, "not a failure of the network");
    for text in [error.to_string(), format!("{error:?}")] {
        assert!(!secret::is_in(&text), "{text}");
    }
    assert!(error.to_string().contains(named), "{error} does not name {named:?}");
}

#[tokio::test]
async fn redact_secrets_of_invalid_uri_in_error() {
    let (outbound, recorder) = recorded();
    let client = outbound.client();
    for (uri, named) in [
        (format!("/relative?sig={MARKER}"), "\"/relative\""),
        (format!("ftp://user:{MARKER}@peer.test/x?sig={MARKER}"), "\"ftp://peer.test/x\""),
        (format!("unix://user:{MARKER}@peer.test:1/x"), "\"unix://peer.test:1/x\""),
        ("peer.test:80".to_owned(), "peer.test:80"),
        (format!("http://user:{MARKER}@peer.test:port/?sig={MARKER}"), "has no port"),
        ("http://peer.test:99999/".to_owned(), "has no port"),
        // The host is missing.
        (format!("https://admin:{MARKER}/path"), "\"https://admin/path\""),
        ("*".to_owned(), "\"*\""),
    ] {
        let error = client.get(uri.as_str()).await.unwrap_err();
        is_invalid(&error, named);
        let mut request = Request::new(Body::default());
        *request.uri_mut() = uri.parse::<Uri>().unwrap();
        is_invalid(&client.request(request).await.unwrap_err(), named);
    }
    recorder.settled().await;
    assert!(recorder.names().is_empty(), "an attempt was started: {:?}", recorder.names());
}

#[tokio::test]
async fn invalid_uri_text_is_invalid_request() {
    let (outbound, recorder) = recorded();
    let client = outbound.client();
    for text in [
        "",
        "http://",
        "http:///path",
        "http://peer .test/",
        "http://[::1/",
        &format!("http://user:{MARKER}@/"),
        &format!("http://user:{MARKER}@peer.test/ ?sig={MARKER}"),
        &format!("http://peer.test/{}", "x".repeat(70_000)),
    ] {
        is_invalid(&client.get(text).await.unwrap_err(), "uri");
    }
    recorder.settled().await;
    assert!(recorder.names().is_empty(), "an attempt was started: {:?}", recorder.names());
}

#[tokio::test]
async fn unsupported_http_version_is_invalid_request() {
    let server = ScriptedServer::tcp(Script::answering("HTTP/1.1 204 No Content\r\n\r\n")).await.unwrap();
    for version in [http::Version::HTTP_2, http::Version::HTTP_3] {
        let (outbound, recorder) = recorded();
        let mut request = secret::request(&server.uri("/"), Body::default());
        *request.version_mut() = version;
        let error = outbound.client().request(request).await.unwrap_err();
        is_invalid(&error, "invalid_request");
        recorder.settled().await;
    }
    assert_eq!(server.requests(), 0);
}
