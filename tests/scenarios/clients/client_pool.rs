//! hyper-util's composable pools (`client::pool`) over a tracked connector.

use std::sync::{Arc, Mutex};

use http::{Request, Uri};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::pool::{cache, map, negotiate, singleton};
use outbound_tests::certs::Certs;
use outbound_tests::gate::Gate;
use outbound_tests::secret;
use outbound_tests::server::{H2Server, Script, ScriptedServer};
use tower::{BoxError, Service, ServiceExt as _, service_fn};
use tower_layer::{Layer as _, layer_fn};
use tower_outbound::Reuse;
use tower_outbound::connect::{Protocol, TcpIo, TrackedIo};
use tower_outbound::hyper::HandshakeLayer;
use tower_outbound::observe::ObserveRequestBody;

use super::checks::{connects_and_reuses, send};
use super::hyper_util::{HTTP_1, answer};
use crate::support::{Body, recorded};

type Sent = ObserveRequestBody<Body>;

#[tokio::test]
async fn client_pool_map_of_caches_reuses_http1_per_origin() {
    let servers = [
        ScriptedServer::tcp(Script::answering(HTTP_1)).await.unwrap(),
        ScriptedServer::tcp(Script::answering(HTTP_1)).await.unwrap(),
    ];
    let (outbound, recorder) = recorded();
    let connect = HandshakeLayer::<_, Sent>::http1().layer(outbound.connector(outbound.http_connector()));
    let pool = map::Map::builder::<Uri>()
        .keys(|uri: &Uri| uri.authority().cloned())
        .values(move |_: &Uri| cache::builder().build(connect.clone()))
        .build();
    let pool = Arc::new(Mutex::new(pool));
    let client = service_fn(move |request: Request<Sent>| {
        let cache = pool.lock().unwrap().service(request.uri()).clone();
        async move {
            let uri = request.uri().clone();
            let mut connection = cache.oneshot(uri).await?;
            Ok::<_, BoxError>(connection.ready().await?.call(request).await?)
        }
    });
    let client = outbound.attempt_layer().layer(client);
    for server in &servers {
        let uri = server.uri("/");
        let (first, second) = (send(&client, &uri).await, send(&client, &uri).await);
        assert_eq!((first.reuse(), second.reuse()), (Reuse::New, Reuse::Reused));
        assert_eq!((first.setup_paid(), second.setup_paid()), (true, false));
        assert_eq!(first.connection(), second.connection());
        assert_eq!(first.connection().unwrap().protocol(), Some(Protocol::Http1));
        assert_eq!(first.connection().unwrap().origin(), first.attempt().origin());
    }
    assert_eq!(outbound.connections().len(), 2);
    drop(client);
    recorder.settled().await;
    assert_eq!(recorder.close_reasons(), ["dropped", "dropped"]);
}

#[tokio::test]
async fn client_pool_cache_does_not_reuse_closed_connection() {
    let script = || Script::new().read_request().write(HTTP_1).close();
    let server = ScriptedServer::tcp([script(), script()]).await.unwrap();
    let (outbound, recorder) = recorded();
    let connect = HandshakeLayer::<_, Sent>::http1().layer(outbound.connector(outbound.http_connector()));
    let cache = cache::builder().build(connect);
    let client = outbound.attempt_layer().layer(service_fn(move |request: Request<Sent>| {
        let mut cache = cache.clone();
        async move {
            loop {
                let mut connection = cache.ready().await?.call(request.uri().clone()).await?;
                // A closed connection is not put back.
                if connection.ready().await.is_ok() {
                    return Ok::<_, BoxError>(connection.call(request).await?);
                }
            }
        }
    }));
    let uri = server.uri("/");
    let first = send(&client, &uri).await;
    recorder.wait_until(|recorder| recorder.close_reasons() == ["peer_closed"]).await;
    let second = send(&client, &uri).await;
    assert_eq!((first.reuse(), second.reuse()), (Reuse::New, Reuse::New));
    assert_ne!(first.connection(), second.connection());
    assert!(second.setup_paid());
    drop(client);
    recorder.settled().await;
    assert_eq!(recorder.close_reasons(), ["peer_closed", "peer_closed"]);
}

#[tokio::test]
async fn client_pool_singleton_shares_http2_until_goaway() {
    let server = H2Server::builder().start(answer).await.unwrap();
    let (outbound, recorder) = recorded();
    let connect = HandshakeLayer::<_, Sent>::http2().layer(outbound.connector(outbound.http_connector()));
    let pool = singleton::Singleton::new(connect);
    let client = outbound.attempt_layer().layer(service_fn(move |request: Request<Sent>| {
        let mut pool = pool.clone();
        async move {
            loop {
                let mut connection = pool.ready().await?.call(request.uri().clone()).await?;
                if connection.ready().await.is_ok() {
                    return Ok::<_, BoxError>(connection.call(request).await?);
                }
            }
        }
    }));
    let uri = server.uri("/");
    let (one, two) = tokio::join!(send(&client, &uri), send(&client, &uri));
    let connection = one.connection().unwrap();
    assert_eq!(two.connection(), Some(connection.clone()));
    assert_eq!((connection.uses(), connection.protocol()), (2, Some(Protocol::Http2)));
    let mut numbers = [&one, &two].map(|timings| timings.usage().unwrap().number());
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2]);
    assert_eq!([&one, &two].iter().filter(|timings| timings.setup_paid()).count(), 1);

    server.graceful_shutdown();
    recorder.wait_until(|recorder| recorder.close_reasons() == ["goaway"]).await;
    let three = send(&client, &uri).await;
    assert_eq!(three.reuse(), Reuse::New);
    assert_ne!(three.connection(), Some(connection));
    drop(client);
    recorder.settled().await;
}

/// A singleton hands the connect of a cancelled request to the next request.
#[tokio::test]
async fn client_pool_cancelled_connect_leaves_first_use_to_other() {
    let server = H2Server::builder().start(answer).await.unwrap();
    let (outbound, recorder) = recorded();
    let (asked, gate) = (Gate::new(), Gate::new());
    let (seen, held) = (asked.clone(), gate.clone());
    let address = server.address();
    let resolver = service_fn(move |_| {
        let (seen, held) = (seen.clone(), held.clone());
        async move {
            seen.open();
            held.wait().await;
            Ok::<_, std::io::Error>(std::iter::once(address))
        }
    });
    let tcp = outbound.http_connector().resolver(resolver);
    let pool = singleton::Singleton::new(HandshakeLayer::<_, Sent>::http2().layer(outbound.connector(tcp)));
    let client = outbound.attempt_layer().layer(service_fn(move |request: Request<Sent>| {
        let mut pool = pool.clone();
        async move {
            let mut connection = pool.ready().await?.call(request.uri().clone()).await?;
            connection.ready().await?;
            Ok::<_, BoxError>(connection.call(request).await?)
        }
    }));
    let uri = format!("http://peer.test:{}/", address.port()).parse().unwrap();
    let mut one = Box::pin(send(&client, &uri));
    tokio::select! {
        _ = &mut one => panic!("the resolver is held"),
        () = asked.wait() => {}
    }
    let mut two = Box::pin(send(&client, &uri));
    assert!(futures_util::poll!(&mut two).is_pending());
    drop(one);
    gate.open();
    let two = two.await;
    let three = send(&client, &uri).await;
    assert_eq!(two.connection(), three.connection());
    assert_eq!((two.reuse(), three.reuse()), (Reuse::New, Reuse::Reused));
    assert_eq!([&two, &three].map(|timings| timings.usage().unwrap().number()), [1, 2]);
    assert!(!two.setup_paid());
    assert_eq!(server.accepted(), 1);
    drop(client);
    recorder.settled().await;
}

/// A pool for one origin: HTTP/2 if ALPN chose it, otherwise HTTP/1.
async fn negotiated(alpn: &'static str, protocol: Protocol) {
    let certs = Certs::new("peer.test");
    let (outbound, recorder) = recorded();
    let https = HttpsConnectorBuilder::new()
        .with_tls_config(certs.client_config(&[]))
        .https_only()
        .enable_all_versions()
        .wrap_connector(outbound.http_connector());
    type Io = TrackedIo<hyper_rustls::MaybeHttpsStream<TcpIo>>;
    let pool = negotiate::builder()
        .connect(outbound.connector(https))
        .inspect(|io: &Io| io.connection().protocol() == Some(Protocol::Http2))
        .fallback(layer_fn(|io| cache::builder().build(HandshakeLayer::<_, Sent>::http1().layer(io))))
        .upgrade(layer_fn(|io| singleton::Singleton::new(HandshakeLayer::<_, Sent>::http2().layer(io))))
        .build::<Uri>();
    let client = outbound.attempt_layer().layer(service_fn(move |request: Request<Sent>| {
        let mut pool = pool.clone();
        async move {
            let mut connection = pool.ready().await?.call(request.uri().clone()).await?;
            connection.ready().await?;
            Ok::<_, BoxError>(connection.call(request).await?)
        }
    }));
    if protocol == Protocol::Http2 {
        let server = H2Server::builder().tls(certs.server_config(&[alpn])).start(answer).await.unwrap();
        connects_and_reuses(client, &server.uri("/"), protocol, &recorder).await;
    } else {
        let tls = certs.server_config(&[alpn]);
        let script = Script::new().tls(tls).read_request().write(HTTP_1).repeat();
        let server = ScriptedServer::tcp(script).await.unwrap();
        connects_and_reuses(client, &server.uri_with("https", "127.0.0.1", "/"), protocol, &recorder).await;
    }
}

#[tokio::test]
async fn client_pool_alpn_chooses_cache_or_singleton() {
    negotiated("http/1.1", Protocol::Http1).await;
    negotiated("h2", Protocol::Http2).await;
}

#[tokio::test]
async fn client_pool_refused_connect_fails_request() {
    let (outbound, recorder) = recorded();
    let connect = HandshakeLayer::<_, Sent>::http2().layer(outbound.connector(outbound.http_connector()));
    let pool = singleton::Singleton::new(connect);
    let client = outbound.attempt_layer().layer(service_fn(move |request: Request<Sent>| {
        let mut pool = pool.clone();
        async move {
            let mut connection = pool.ready().await?.call(request.uri().clone()).await?;
            Ok::<_, BoxError>(connection.ready().await?.call(request).await?)
        }
    }));
    let uri = format!("http://{}", outbound_tests::server::closed_port().unwrap()).parse().unwrap();
    let request = secret::request(&uri, Body::default());
    client.oneshot(request).await.unwrap_err();
    assert_eq!(recorder.outcomes(), ["connection_refused in tcp"]);
    recorder.settled().await;
}
