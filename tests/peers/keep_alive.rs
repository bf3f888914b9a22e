//! How nginx closes kept connections: the recorded close reasons compared with nginx's log.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::Uri;
use http_body_util::{BodyExt as _, Empty, Full};
use outbound_tests::certs::Certs;
use outbound_tests::peers::Nginx;
use outbound_tests::recorder::Recorder;
use outbound_tests::secret;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tower_outbound::connect::{CloseReason, Protocol};
use tower_outbound::{Event, Kind, Outbound, OutboundClient, Reuse, Timings};

/// nginx writes its log after the response.
const LOG_WITHIN: Duration = Duration::from_secs(10);

/// The close reason of each connection, by its local port.
type Closes = Arc<Mutex<BTreeMap<u16, CloseReason>>>;

fn watched() -> (Outbound, Recorder, Closes) {
    let (recorder, closes) = (Recorder::new(), Closes::default());
    let recorded = closes.clone();
    let watch = move |event: &Event<'_>| {
        if let Event::ConnectionClosed { connection, closed, .. } = event {
            let port = connection.local_addr().map_or(0, |address| address.port());
            let mut closes = recorded.lock().unwrap_or_else(PoisonError::into_inner);
            closes.insert(port, closed.reason());
        }
    };
    (Outbound::builder().observer(recorder.clone()).observer(watch).build(), recorder, closes)
}

fn uri(nginx: &Nginx, scheme: &str, path: &str) -> Uri {
    format!("{scheme}://{}{path}", nginx.address()).parse().unwrap()
}

/// A request that crosses a GOAWAY was not processed (RFC 9113, section 6.8): the caller sends it again.
async fn get(client: &OutboundClient, uri: &Uri) -> Timings {
    let send = || client.request(secret::request(uri, Empty::<Bytes>::new()));
    let response = match send().await {
        Err(error) if error.failure().kind() == Kind::GoAway => send().await.unwrap(),
        response => response.unwrap(),
    };
    assert_eq!(response.status(), 200);
    let timings = response.extensions().get::<Timings>().unwrap().clone();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "hello");
    timings
}

/// The use of a connection, as both sides identify it: the client's port and the use's number.
fn usage(timings: &Timings) -> (u16, u64) {
    let connection = timings.connection().unwrap();
    (connection.local_addr().unwrap().port(), timings.usage().unwrap().number())
}

/// The connections that nginx has accepted from the client: `accepts` of its status page, less the connection of
/// this query and that of the start-up check.
async fn accepted(nginx: &Nginx) -> i64 {
    let mut stream = TcpStream::connect(nginx.address()).await.unwrap();
    stream.write_all(b"GET /status HTTP/1.0\r\n\r\n").await.unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).await.unwrap();
    let counts = page.lines().skip_while(|line| !line.starts_with("server accepts")).nth(1).unwrap();
    counts.split_whitespace().next().unwrap().parse::<i64>().unwrap() - 2
}

/// nginx closes an idle connection after 1 s: the reason is `peer_closed`, and the next request connects anew.
pub(crate) async fn expires() {
    let server =
        "keepalive_timeout 1s; location / { return 200 'hello'; } location = /status { stub_status; }";
    let nginx = Nginx::start(server).await.unwrap();
    let (outbound, recorder, _closes) = watched();
    let client = outbound.client();
    let uri = uri(&nginx, "http", "/");

    let first = get(&client, &uri).await;
    recorder.wait_until(|recorder| !recorder.close_reasons().is_empty()).await;
    assert_eq!(recorder.close_reasons(), ["peer_closed"]);
    assert!(outbound.connections().is_empty());
    let second = get(&client, &uri).await;
    assert_eq!([first.reuse(), second.reuse()], [Reuse::New, Reuse::New]);

    drop(client);
    recorder.settled().await;
    assert_eq!(recorder.close_reasons(), ["peer_closed", "dropped"]);
    assert_eq!(recorder.count("ConnectionOpened"), 2);
    assert_eq!(accepted(&nginx).await, 2);
    let accesses = nginx.accesses(2, LOG_WITHIN).await;
    let logged: Vec<_> = accesses.iter().map(|access| (access.peer_port, access.uses)).collect();
    assert_eq!(logged[..2], [usage(&first), usage(&second)]);
}

/// nginx says when it closes an idle connection, so this side closes first: no POST fails, neither when nginx would
/// close nor when this side does.
pub(crate) async fn heeded() {
    const CALLERS: u64 = 64;
    const ROUNDS: u64 = 5;
    let server = "keepalive_timeout 1s 1s; location / { return 200 'hello'; }";
    let nginx = Nginx::start(server).await.unwrap();
    let (outbound, recorder, _closes) = watched();
    let client = outbound.client();
    let uri = uri(&nginx, "http", "/");
    let callers = (0..CALLERS).map(|caller| {
        let (client, uri) = (client.clone(), uri.clone());
        tokio::spawn(async move {
            // Around the half second at which this side closes, and around the second.
            let close = if caller % 2 == 0 { 470 } else { 970 };
            for _ in 0..ROUNDS {
                let response = client.post(&uri, "hello").await.unwrap();
                assert_eq!(response.into_body().bytes().await.unwrap(), "hello");
                tokio::time::sleep(Duration::from_millis(close + caller)).await;
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
    drop(client);
    recorder.settled().await;
    let reasons = recorder.close_reasons();
    assert!(!reasons.contains(&"peer_closed"), "{reasons:?}");
    assert!(reasons.contains(&"idle_timeout"), "{reasons:?}");
    // One access for each call: what was sent again had not been sent.
    let accesses = nginx.accesses(usize::try_from(CALLERS * ROUNDS).unwrap(), LOG_WITHIN).await;
    assert_eq!(accesses.iter().filter(|access| access.request.starts_with("POST")).count(), 320);
}

/// nginx closes each connection after its third response, which has `connection: close`.
pub(crate) async fn three_requests() {
    let server =
        "keepalive_requests 3; location / { return 200 'hello'; } location = /status { stub_status; }";
    let nginx = Nginx::start(server).await.unwrap();
    let (outbound, recorder, closes) = watched();
    let client = outbound.client();
    let uses = uses_of(&client, &uri(&nginx, "http", "/"), 7).await;
    drop(client);
    recorder.settled().await;

    assert_eq!(recorder.outcomes(), ["ok"; 7]);
    closed_when_used_up(&closes, &uses, 3, CloseReason::ConnectionClose);
    assert_eq!(accepted(&nginx).await, recorder.count("ConnectionOpened"));
    logged_as(&nginx, uses).await;
}

/// Over TLS by ALPN: nginx sends GOAWAY with the second response on a connection, and no request is lost.
pub(crate) async fn goaway() {
    let certs = Certs::new("nginx.test");
    let server = "keepalive_requests 2; location / { return 200 'hello'; }";
    let mut nginx = Nginx::config(server).listen("http2").tls(&certs).start().await.unwrap();
    let (outbound, recorder, closes) = watched();
    let client = outbound.client_builder().tls_config(certs.client_config(&[])).build();
    let uses = uses_of(&client, &uri(&nginx, "https", "/"), 5).await;
    drop(client);
    recorder.settled().await;

    let outcomes = recorder.outcomes();
    // `response_ended`: the connection closed before the request was written, and the retry layer retried it.
    let known = ["ok", "goaway in wait", "response_ended in acquire"];
    assert!(outcomes.iter().all(|outcome| known.contains(&outcome.as_str())), "{outcomes:?}");
    assert_eq!(outcomes.iter().filter(|outcome| *outcome == "ok").count(), uses.len());
    for timings in recorder.timings().iter().filter(|timings| timings.attempt().status().is_some()) {
        assert_eq!(timings.connection().unwrap().protocol(), Some(Protocol::Http2));
        let tls = timings.setup().unwrap().tls().cloned().unwrap();
        assert_eq!(tls.alpn.as_deref(), Some("h2"));
    }
    // nginx may have answered a request that failed with the GOAWAY here, so its log decides which connections are
    // used up.
    nginx.daemon().end().await.unwrap();
    let logged: Vec<_> = nginx.log().iter().map(|access| (access.peer_port, access.uses)).collect();
    closed_when_used_up(&closes, &logged, 2, CloseReason::GoAway);
    assert!(uses.iter().all(|usage| logged.contains(usage)), "{uses:?} {logged:?}");
}

/// 300 uploads that expect `100 Continue`: each is one use, however the interim response and the final one are read.
pub(crate) async fn expect_continue() {
    let server = "location / { return 200 'hello'; } location = /status { stub_status; }";
    let nginx = Nginx::start(server).await.unwrap();
    let (outbound, recorder, _closes) = watched();
    let client = outbound.client();
    let uri = uri(&nginx, "http", "/");
    let (mut uses, mut new) = (Vec::new(), 0);
    for _ in 0..300 {
        let mut request = secret::request(&uri, Full::<Bytes>::from(vec![b'x'; 1000]));
        *request.method_mut() = http::Method::PUT;
        request.headers_mut().insert(http::header::EXPECT, http::HeaderValue::from_static("100-continue"));
        let response = client.request(request).await.unwrap();
        let timings = response.extensions().get::<Timings>().unwrap().clone();
        response.into_body().collect().await.unwrap();
        new += i64::from(timings.reuse() == Reuse::New);
        uses.push(usage(&timings));
    }
    drop(client);
    recorder.settled().await;
    // A connection that lost its race against the pool is opened and not used.
    assert!(new <= recorder.count("ConnectionOpened"), "{new} new");
    assert_eq!(new, i64::try_from(uses.iter().filter(|(_, number)| *number == 1).count()).unwrap());
    assert_eq!(accepted(&nginx).await, recorder.count("ConnectionOpened"));
    logged_as(&nginx, uses).await;
}

async fn uses_of(client: &OutboundClient, uri: &Uri, requests: usize) -> Vec<(u16, u64)> {
    let mut uses = Vec::new();
    for _ in 0..requests {
        let timings = get(client, uri).await;
        let reuse = if usage(&timings).1 == 1 { Reuse::New } else { Reuse::Reused };
        assert_eq!(timings.reuse(), reuse);
        uses.push(usage(&timings));
    }
    uses
}

/// Checks that exactly the connections with `most` answered requests closed for `reason`.
///
/// Any connection may have answered: a connect that lost its race adds one to the pool.
fn closed_when_used_up(closes: &Closes, uses: &[(u16, u64)], most: usize, reason: CloseReason) {
    let closes = closes.lock().unwrap_or_else(PoisonError::into_inner);
    let mut used_up = 0;
    for (port, closed) in &*closes {
        let answered = uses.iter().filter(|(used, _)| used == port).count();
        assert!(answered <= most, "{uses:?}");
        let expected = if answered == most { reason } else { CloseReason::Dropped };
        assert_eq!(*closed, expected, "{uses:?} {closes:?}");
        used_up += usize::from(answered == most);
    }
    assert!(used_up > 0, "{uses:?}");
}

/// Checks that nginx's log has the same uses of the same connections.
async fn logged_as(nginx: &Nginx, mut uses: Vec<(u16, u64)>) {
    let accesses = nginx.accesses(uses.len(), LOG_WITHIN).await;
    let answered = accesses.iter().filter(|access| !access.request.contains("/status"));
    let mut logged: Vec<_> = answered.map(|access| (access.peer_port, access.uses)).collect();
    logged.sort_unstable();
    uses.sort_unstable();
    assert_eq!(logged, uses);
}
