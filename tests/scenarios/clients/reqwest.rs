//! reqwest: its connector can be timed but not wrapped, so a connection has no identity there.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::task::{Context, Poll};

use futures_util::future::{Ready, ready};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use outbound_tests::certs::Certs;
use outbound_tests::secret;
use outbound_tests::server::{Script, ScriptedServer, closed_port};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tower::{Service, ServiceExt as _, service_fn};
use tower_layer::Layer as _;
use tower_outbound::{BoxError, ObserveRequestBody, Outbound, Phase, PhaseLayer, Phased, Reuse, Timings};

use super::checks::{ANSWER, send};
use super::hyper_util::HTTP_1;
use crate::support::{Body, recorded};

/// Every name is this machine.
#[derive(Clone)]
struct Loopback;

impl Service<Name> for Loopback {
    type Response = Addrs;
    type Error = io::Error;
    type Future = Ready<io::Result<Addrs>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        if name.as_str() == "unknown.test" {
            return ready(Err(io::Error::other("no such host")));
        }
        ready(Ok(Box::new(std::iter::once(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))))))
    }
}

/// A timed resolver as reqwest wants it.
struct Resolver(Phased<Loopback>);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(self.0.clone().call(name))
    }
}

fn reqwest(outbound: &Outbound, certs: &Certs) -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .tls_backend_preconfigured(certs.client_config(&[]))
        .connector_layer(PhaseLayer::connect(outbound.registry()))
        .dns_resolver(Resolver(PhaseLayer::dns().layer(Loopback)))
        .build()
        .unwrap()
}

/// The whole adapter.
fn service<B>(
    client: reqwest::Client,
) -> impl Service<
    Request<B>,
    Response = Response<reqwest::Body>,
    Error = BoxError,
    Future: Future<Output = Result<Response<reqwest::Body>, BoxError>> + Send,
> + Clone
where
    B: http_body::Body<Data = bytes::Bytes, Error: Into<BoxError>> + Send + Sync + 'static,
{
    service_fn(move |request: Request<B>| {
        let client = client.clone();
        async move {
            let request = reqwest::Request::try_from(request.map(reqwest::Body::wrap))?;
            // reqwest's errors show the URL, with whatever secrets it has.
            Ok(client.execute(request).await.map_err(reqwest::Error::without_url)?.into())
        }
    })
}

#[tokio::test]
async fn connects_and_their_dns_are_seen_and_reuse_is_unknown_rather_than_guessed() {
    let server = ScriptedServer::tcp(Script::answering(HTTP_1)).await.unwrap();
    let (outbound, recorder) = recorded();
    let client = outbound
        .layer()
        .layer(service::<ObserveRequestBody<Body>>(reqwest(&outbound, &Certs::new("peer.test"))));
    let uri = server.uri_with("http", "peer.test", "/");

    let first = send(&client, &uri).await;
    let second = send(&client, &uri).await;

    let seen = ["ConnectStarted", "ConnectPhase", "ConnectEnded"].map(|name| recorder.count(name));
    assert_eq!(seen, [1, 1, 1], "{:?}", recorder.names());
    assert_eq!(recorder.count("connect_other"), 1, "untracked");
    assert_eq!(recorder.count("ConnectionOpened"), 0);
    assert_eq!(server.accepted(), 1);

    assert_eq!(recorder.count("Misplaced"), 0, "no advice that cannot be followed");
    assert_eq!(recorder.phases()[0], (Phase::Dns, "ok"));
    for timings in [&first, &second] {
        assert!(timings.connection().is_none());
        // hyper-util may have served it on another connection than the one that it began.
        assert!(timings.setup().is_none() && !timings.setup_paid());
        assert_eq!(timings.reuse(), Reuse::Unknown);
        assert!(timings.first_byte_is_upper_bound());
        assert_eq!(timings.exchange().request_body_bytes(), 6);
        assert_eq!(timings.exchange().response_body_bytes(), ANSWER.len() as u64);
    }
    // The wrapped body has kept its length.
    let heads = server.log().remove(0).heads;
    assert!(heads.iter().all(|head| head.to_lowercase().contains("content-length: 6\r\n")), "{heads:?}");

    drop(client);
    recorder.settled().await;
    assert_eq!(recorder.outcomes(), ["ok", "ok"]);
}

#[tokio::test]
async fn a_connect_over_tls_is_one_setup_too() {
    let certs = Certs::new("peer.test");
    let script = Script::new().tls(certs.server_config(&["http/1.1"])).read_request().write(HTTP_1).repeat();
    let server = ScriptedServer::tcp(script).await.unwrap();
    let (outbound, recorder) = recorded();
    let client = outbound.layer().layer(service::<ObserveRequestBody<Body>>(reqwest(&outbound, &certs)));
    let timings = send(&client, &server.uri_with("https", "peer.test", "/")).await;
    assert_eq!(timings.exchange().origin().scheme(), "https");
    let phases: Vec<_> = recorder.phases().into_iter().map(|(phase, _)| phase).collect();
    assert!(phases.contains(&Phase::Dns) && !phases.contains(&Phase::Tls), "{phases:?}");
    assert_eq!(recorder.count("connect_other"), 1);
    drop(client);
    recorder.settled().await;
}

#[tokio::test]
async fn a_failed_connect_is_a_failed_setup_with_its_phase() {
    let refused = format!("http://peer.test:{}/", closed_port().unwrap().port());
    for (uri, expected) in [
        // Below the resolver nothing is timed, so no phase is named.
        (refused.as_str(), "connection_refused in acquire"),
        ("http://unknown.test/", "name_resolution_error in dns"),
    ] {
        let (outbound, recorder) = recorded();
        let client = outbound
            .layer()
            .layer(service::<ObserveRequestBody<Body>>(reqwest(&outbound, &Certs::new("peer.test"))));
        let request = secret::request(&uri.parse().unwrap(), Body::default());
        let error = client.oneshot(request).await.map(drop).unwrap_err();
        assert!(!secret::is_in(&format!("{error} {error:?}")));
        assert_eq!(recorder.outcomes(), [expected]);
        assert_eq!(recorder.count("connect_failed"), 1);
        recorder.settled().await;
    }
}

#[tokio::test]
async fn a_dropped_body_ends_the_exchange_there_too() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\nans";
    let server = ScriptedServer::tcp(Script::new().read_request().write(head).hang()).await.unwrap();
    let (outbound, recorder) = recorded();
    let client = outbound
        .layer()
        .layer(service::<ObserveRequestBody<Body>>(reqwest(&outbound, &Certs::new("peer.test"))));
    let request = secret::request(&server.uri("/"), Body::default());
    let response = client.oneshot(request).await.unwrap();
    let timings = response.extensions().get::<Timings>().unwrap().clone();
    let mut body = response.into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "ans");
    assert!(!timings.is_complete());
    drop(body);
    assert!(timings.is_complete());
    assert_eq!(recorder.outcomes(), ["cancelled in body"]);
    recorder.settled().await;
}
