//! The deadline of a call in the headers of its attempts, and the deadline that a service's headers give.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http::{HeaderName, StatusCode};
use http_body_util::Full;
use tower::{Service, ServiceExt as _, service_fn};
use tower_outbound::deadline::{DeadlineHeaders, IncomingDeadlineLayer};
use tower_outbound::{Deadline, RequestExt as _};

use super::*;
use crate::log::Lines;

const HEADER: HeaderName = HeaderName::from_static("x-timeout-ms");
const GRPC: (&str, &str) = ("content-type", "application/grpc+proto");

fn headers() -> DeadlineHeaders {
    DeadlineHeaders::new().http(HEADER)
}

fn request(pairs: &[(&str, &str)]) -> Request<Upload> {
    let mut request = secret::request(&"http://peer.test/".parse().unwrap(), nothing());
    for (name, value) in pairs {
        request.headers_mut().insert(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    }
    request
}

/// What each attempt has in these headers. The peer answers 503 after this time, but the last attempt 200.
async fn sent(headers: Option<DeadlineHeaders>, request: Request<Upload>) -> Vec<[Option<String>; 2]> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let attempts = seen.clone();
    let peer = service_fn(move |request: Request<_>| {
        let _: &ObserveRequestBody<tower_outbound::retry::LeasedBody<Upload>> = request.body();
        let value = |name| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        attempts.lock().unwrap().push([value("x-timeout-ms"), value("grpc-timeout")]);
        let status = if attempts.lock().unwrap().len() < 3 { 503 } else { 200 };
        async move {
            tokio::time::sleep(ms(30)).await;
            Ok::<_, BoxError>(Response::builder().status(status).body(Full::<Bytes>::default()).unwrap())
        }
    });
    let zero = Duration::ZERO;
    let outbound = Outbound::builder()
        .retry(|retry| retry.status([StatusCode::SERVICE_UNAVAILABLE]).backoff(zero, zero).max_retries(9));
    let outbound = match headers {
        Some(headers) => outbound.deadline_headers(headers).build(),
        None => outbound.build(),
    };
    outbound.layer().layer(peer).oneshot(request).await.unwrap();
    seen.lock().unwrap().clone()
}

fn http(values: [&str; 3]) -> Vec<[Option<String>; 2]> {
    values.map(|value| [Some(value.to_owned()), None]).to_vec()
}

fn grpc(values: [&str; 3]) -> Vec<[Option<String>; 2]> {
    values.map(|value| [None, Some(value.to_owned())]).to_vec()
}

#[tokio::test(start_paused = true)]
async fn deadline_header_has_what_is_left_for_each_attempt() {
    let late = Deadline::after(ms(300));
    let margin = headers().margin(ms(20));
    assert_eq!(sent(Some(headers()), request(&[]).deadline(late)).await, http(["300", "270", "240"]));
    // The clock goes on between the calls.
    let late = || Deadline::after(ms(300));
    assert_eq!(sent(Some(margin.clone()), request(&[]).deadline(late())).await, http(["280", "250", "220"]));
    let shorter = [("x-timeout-ms", "245")];
    assert_eq!(
        sent(Some(headers()), request(&shorter).deadline(late())).await,
        http(["245", "245", "240"]),
        "a shorter one stays"
    );
    let call = request(&[GRPC]).deadline(late());
    assert_eq!(sent(Some(margin), call).await, grpc(["280000u", "250000u", "220000u"]));
    // That of the request is the call's deadline in any case, and a shorter one of the call goes out by the option alone.
    let own = [GRPC, ("grpc-timeout", "2S")];
    assert_eq!(sent(None, request(&own)).await, grpc(["2S", "1970000u", "1940000u"]));
    let both = request(&own).deadline(late());
    assert_eq!(sent(Some(headers()), both).await, grpc(["300000u", "270000u", "240000u"]));
}

#[tokio::test(start_paused = true)]
async fn deadline_header_is_opt_in_and_needs_deadline() {
    let none = vec![[None, None]; 3];
    assert_eq!(sent(None, request(&[]).deadline(Deadline::after(ms(300)))).await, none);
    assert_eq!(sent(Some(headers()), request(&[])).await, none);
    let without_http = Some(DeadlineHeaders::new());
    assert_eq!(sent(without_http, request(&[]).deadline(Deadline::after(ms(300)))).await, none);
}

/// A service below the layer, which answers with what it sees.
fn service(
    headers: DeadlineHeaders,
) -> impl Service<Request<Upload>, Response = Response<impl http_body::Body>, Error = Infallible> + Clone {
    let handler = service_fn(|request: Request<Upload>| {
        // In the call already, not only in the future.
        let called = Deadline::current();
        async move {
            assert_eq!(Deadline::current(), called);
            assert_eq!(request.extensions().get::<Deadline>().copied(), called);
            let mut response = Response::new(Full::<Bytes>::default());
            response.extensions_mut().insert(called.map(Deadline::remaining));
            Ok::<_, Infallible>(response)
        }
    });
    IncomingDeadlineLayer::new(headers).layer(handler)
}

async fn received(headers: DeadlineHeaders, pairs: &[(&str, &str)]) -> Option<Duration> {
    let response = service(headers).oneshot(request(pairs)).await.unwrap();
    *response.extensions().get::<Option<Duration>>().unwrap()
}

#[tokio::test(start_paused = true)]
async fn incoming_deadline_is_scope_of_service() {
    let none = headers().margin(Duration::ZERO);
    let table: [(&[(&str, &str)], _, _); 8] = [
        (&[("x-timeout-ms", "300")], headers(), Some(ms(295))),
        (&[("x-timeout-ms", "300")], none.clone(), Some(ms(300))),
        // The margin is at most half of the time.
        (&[("x-timeout-ms", "4")], headers(), Some(ms(2))),
        (&[("x-timeout-ms", "0")], headers(), Some(Duration::ZERO)),
        (&[], headers(), None),
        (&[GRPC, ("grpc-timeout", "250m")], none, Some(ms(250))),
        // Each protocol has its own header.
        (&[GRPC, ("x-timeout-ms", "300")], headers(), None),
        (&[("grpc-timeout", "250m")], headers(), None),
    ];
    for (pairs, headers, expected) in table {
        assert_eq!(received(headers, pairs).await, expected, "{pairs:?}");
    }
    let name = HeaderName::from_static("grpc-timeout");
    let gateway = DeadlineHeaders::new().http(name).margin(Duration::ZERO);
    assert_eq!(
        received(gateway, &[("grpc-timeout", "2S")]).await,
        Some(2 * SECOND),
        "as grpc-gateway has it"
    );
    // An outer deadline only becomes shorter.
    let outer = Deadline::after(ms(100));
    assert_eq!(outer.scope(received(headers(), &[("x-timeout-ms", "300")])).await, Some(ms(100)));
}

#[tokio::test(start_paused = true)]
async fn malformed_timeout_header_ignored_with_one_warning() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt().with_env_filter("off,tower_outbound=warn").with_ansi(false);
    let _guard = tracing::subscriber::set_default(subscriber.with_writer(lines.clone()).finish());
    let headers = headers();
    for value in ["", "3s", "0.3", "-1", "99999999999", "300, 300"] {
        assert_eq!(received(headers.clone(), &[("x-timeout-ms", value)]).await, None, "{value:?}");
    }
    let text = lines.text();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains("x-timeout-ms") && text.contains("WARN"), "{text}");
    assert_eq!(received(headers, &[("x-timeout-ms", "300")]).await, Some(ms(295)), "a later one is read");

    // As the client of a call, too: the request goes out as it is.
    let sent = sent(None, request(&[GRPC, ("grpc-timeout", "soon")])).await;
    assert_eq!(sent, grpc(["soon", "soon", "soon"]));
    let text = lines.text();
    let grpc = text.lines().filter(|line| line.contains("the `grpc-timeout` of a request is no time"));
    assert_eq!(grpc.count(), 1, "{text}");
}

/// The body is a part of the service.
#[tokio::test(start_paused = true)]
async fn incoming_deadline_is_scope_of_body() {
    let handler = service_fn(|_: Request<Upload>| async {
        let frames = stream::once(async {
            let left = Deadline::current().map(Deadline::remaining);
            Ok::<_, Infallible>(Frame::data(Bytes::from(format!("{left:?}"))))
        });
        Ok::<_, Infallible>(Response::new(StreamBody::new(Box::pin(frames))))
    });
    let service = IncomingDeadlineLayer::new(headers()).layer(handler);
    let response = service.oneshot(request(&[("x-timeout-ms", "300")])).await.unwrap();
    tokio::time::sleep(ms(100)).await;
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "Some(195ms)");
}

/// Fails to compile if the layer does not fit.
#[tokio::test(start_paused = true)]
async fn incoming_deadline_layer_fits_axum() {
    let handler = async || format!("{:?}", Deadline::current().map(Deadline::remaining));
    let router = axum::Router::new().route("/", axum::routing::get(handler));
    let router = router.layer(IncomingDeadlineLayer::new(headers()));
    let request = Request::get("/").header(HEADER, "300").body(axum::body::Body::empty()).unwrap();
    let response = router.oneshot(request).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "Some(295ms)");
}
