//! Checks that apply to several clients.

use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt as _;
use outbound_tests::recorder::Recorder;
use outbound_tests::secret;
use tower::{Service, ServiceExt as _};
use tower_outbound::connect::{Protocol, TlsInfo};
use tower_outbound::{Reuse, Timings};

use crate::support::Body;

/// The body of each response.
pub(crate) const ANSWER: &str = "answer";

/// Sends one request with a body, and reads the response.
pub(crate) async fn send<S, B>(client: &S, uri: &http::Uri) -> Timings
where
    S: Service<Request<Body>, Response = http::Response<B>, Error = tower_outbound::Error> + Clone,
    B: http_body::Body<Data = Bytes>,
    B::Error: std::fmt::Debug,
{
    let request = secret::request(uri, Body::from("upload"));
    let response = client.clone().oneshot(request).await.unwrap();
    let timings = response.extensions().get::<Timings>().unwrap().clone();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, ANSWER);
    assert!(timings.is_complete());
    timings
}

/// Sends two requests on one connection, and checks connection, use, protocol and marks of each.
pub(crate) async fn connects_and_reuses<S, B>(
    client: S,
    uri: &http::Uri,
    protocol: Protocol,
    recorder: &Recorder,
) where
    S: Service<Request<Body>, Response = http::Response<B>, Error = tower_outbound::Error> + Clone,
    B: http_body::Body<Data = Bytes>,
    B::Error: std::fmt::Debug,
{
    let first = send(&client, uri).await;
    let second = send(&client, uri).await;

    assert_eq!((first.reuse(), second.reuse()), (Reuse::New, Reuse::Reused));
    assert_eq!((first.setup_paid(), second.setup_paid()), (true, false));
    let numbers = [&first, &second].map(|timings| timings.usage().unwrap().number());
    assert_eq!(numbers, [1, 2]);
    let connections = [&first, &second].map(|timings| timings.connection().unwrap());
    assert_eq!(connections[0].id(), connections[1].id());
    assert_eq!(connections[0].protocol(), Some(protocol));
    for timings in [&first, &second] {
        assert_eq!(timings.first_byte_is_upper_bound(), protocol == Protocol::Http2, "{timings}");
        assert_eq!(timings.attempt().request_body_bytes(), "upload".len() as u64);
        assert_eq!(timings.attempt().response_body_bytes(), ANSWER.len() as u64);
        marks_are_monotone(timings);
    }

    drop(client);
    recorder.settled().await;
    assert_eq!(recorder.outcomes(), ["ok", "ok"]);
    assert_eq!(recorder.count("Misplaced"), 0);
}

/// All marks are there, in order.
pub(crate) fn marks_are_monotone(timings: &Timings) {
    let marks = timings.cumulative();
    let marks = [marks.acquire, marks.send_start, marks.first_byte, marks.head, marks.body_end];
    let marks = marks.map(|mark| mark.unwrap_or_else(|| panic!("a mark is missing: {timings}")));
    assert!(marks.is_sorted(), "{marks:?}");
    assert_eq!(timings.total(), Some(marks[4]));
}

/// The first attempt has recorded a TLS 1.3 handshake with a suite of RFC 8446, appendix B.4.
pub(crate) fn knows_the_handshake(recorder: &Recorder, alpn: &str) {
    let setup = recorder.timings()[0].setup().unwrap();
    let TlsInfo { version, cipher, alpn: agreed, resumed, .. } = setup.tls().expect("over TLS");
    assert_eq!(*version, Some("1.3"));
    assert!(cipher.as_ref().unwrap().starts_with("TLS13_"), "{cipher:?}");
    assert_eq!(agreed.as_deref(), Some(alpn));
    assert_eq!(*resumed, Some(false));
}
