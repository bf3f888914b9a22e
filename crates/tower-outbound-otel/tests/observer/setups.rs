//! The spans of connects.

use opentelemetry::trace::{SpanKind, Status};
use outbound_tests::gate::Gate;
use outbound_tests::server::{Script, ScriptedServer};
use tower::ServiceExt;

use crate::support::*;

#[tokio::test]
async fn a_setup_is_a_child_of_the_exchange_that_it_serves_and_has_its_phases_inside() {
    let rig = Rig::new();
    let server = ScriptedServer::tcp(Script::answering(OK)).await.unwrap();
    let port = server.address().unwrap().port().to_string();
    let client = client(&rig.outbound());
    exchange(&client, get(server.uri_with("http", "localhost", "/"))).await;

    let setup = rig.span(&format!("HTTP connection_setup localhost:{port}"));
    assert!(is_child(&setup, &rig.span("GET")) && setup.links.is_empty());
    assert_eq!(setup.span_kind, SpanKind::Internal);
    assert_eq!(
        attributes(&setup),
        expected([
            ("network.peer.address", "127.0.0.1"),
            ("server.address", "localhost"),
            ("server.port", &port),
            ("url.scheme", "http"),
        ])
    );
    let dns = rig.span("DNS lookup localhost");
    assert!(is_child(&dns, &setup));
    assert_eq!(attributes(&dns), expected([("dns.question.name", "localhost")]));
    let tcp = rig.span(&format!("socket connect 127.0.0.1:{port}"));
    assert!(is_child(&tcp, &setup) && dns.end_time <= tcp.start_time && tcp.end_time <= setup.end_time);
    assert_eq!(
        attributes(&tcp),
        expected([
            ("network.peer.address", "127.0.0.1"),
            ("network.peer.port", &port),
            ("network.type", "ipv4"),
        ])
    );
}

#[tokio::test]
async fn a_failed_setup_is_a_root_with_a_link_to_its_starter() {
    let rig = Rig::new();
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    exchange(&client(&rig.outbound()), get(format!("http://127.0.0.1:{port}/").as_str())).await;

    let setup = rig.span(&format!("HTTP connection_setup 127.0.0.1:{port}"));
    assert!(is_root(&setup) && links_to(&setup, &rig.span("GET")));
    assert_eq!(setup.status, Status::error(""));
    assert_eq!(
        attributes(&setup),
        expected([
            ("error.type", "connection_refused"),
            ("server.address", "127.0.0.1"),
            ("server.port", &port.to_string()),
            ("url.scheme", "http"),
        ])
    );
    let tcp = rig.span(&format!("socket connect 127.0.0.1:{port}"));
    assert!(is_child(&tcp, &setup));
    assert_eq!(attributes(&tcp), expected([("error.type", "connection_refused")]));
}

#[tokio::test]
async fn a_setup_whose_starter_left_is_a_root_and_the_exchange_that_it_serves_links_to_it() {
    let rig = Rig::new();
    let outbound = rig.outbound();
    let connect = Gate::new();
    let asked = Gate::new();
    let (_server, duplex) = ScriptedServer::duplex(Script::answering(OK));
    let connector = {
        let (connect, asked) = (connect.clone(), asked.clone());
        outbound.connector(tower::service_fn(move |_: http::Uri| {
            let (connect, asked, duplex) = (connect.clone(), asked.clone(), duplex.clone());
            Box::pin(async move {
                asked.open();
                connect.opened().await;
                duplex.connect()
            })
        }))
    };
    let client = {
        use hyper_util::client::legacy::Client;
        use hyper_util::rt::TokioExecutor;
        use tower::Layer;
        outbound.layer().layer(Client::builder(TokioExecutor::new()).build(connector))
    };
    // The first leaves while its connect is under way; hyper-util finishes that in the background.
    let first = tokio::spawn(exchange_of(client.clone()));
    asked.opened().await;
    first.abort();
    let _ = first.await;
    connect.open();
    assert_eq!(exchange_of(client).await, Some(200));

    let spans = rig.spans();
    let exchanges: Vec<_> = spans.iter().filter(|span| span.name == "GET").collect();
    let setups: Vec<_> =
        spans.iter().filter(|span| span.name.starts_with("HTTP connection_setup")).collect();
    assert_eq!(exchanges.len(), 2);
    let orphan = setups.iter().find(|setup| is_root(setup)).expect("the first one's setup");
    assert!(links_to(orphan, exchanges[0]), "its starter");
}

async fn exchange_of<S, R>(client: S) -> Option<u16>
where
    S: tower::Service<http::Request<Body>, Response = http::Response<R>> + Clone,
    R: http_body::Body,
{
    exchange(&client, get("http://a.example/")).await
}

#[tokio::test]
async fn a_connection_that_serves_nobody_is_recorded_when_it_closes() {
    use tower::Service;

    let rig = Rig::new();
    let (_server, duplex) = ScriptedServer::duplex(Script::answering(OK));
    let mut connector = rig.outbound().connector(duplex);
    let uri: http::Uri = "http://a.example/".parse().unwrap();
    let io = connector.ready().await.unwrap().call(uri).await.unwrap();
    assert_eq!(rig.names(), Vec::<String>::new(), "not yet known where it belongs");
    drop(io);
    let setup = rig.span("HTTP connection_setup a.example:80");
    assert!(is_root(&setup) && setup.links.is_empty(), "nobody had started it");
}
