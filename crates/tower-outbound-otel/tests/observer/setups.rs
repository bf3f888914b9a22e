//! The spans of connects.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use bytes::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::TokioExecutor;
use opentelemetry::Context;
use opentelemetry::trace::{FutureExt, SpanKind, Status, TraceContextExt, Tracer, TracerProvider};
use opentelemetry_sdk::trace::SpanData;
use outbound_tests::gate::Gate;
use outbound_tests::server::{DuplexConnector, Script, ScriptedServer, closed_port};
use tower::{Layer, Service, ServiceExt};
use tower_outbound::Outbound;
use tower_outbound::connect::{FirstFamily, ResolveError};
use tower_outbound::failure::DnsFailure;
use tower_outbound_otel::Phases;

use crate::support::*;

#[tokio::test]
async fn connection_setup_is_child_of_attempt_with_phases_inside() {
    let rig = Rig::new();
    let server = ScriptedServer::tcp(Script::answering(OK)).await.unwrap();
    let port = server.address().unwrap().port().to_string();
    let client = resolving(&rig.outbound(), vec![server.address().unwrap()]);
    attempt(&client, get(server.uri_with("http", "peer.test", "/"))).await;

    let setup = rig.span(&format!("HTTP connection_setup peer.test:{port}"));
    assert!(is_child(&setup, &rig.span("GET")) && setup.links.is_empty());
    assert_eq!(setup.span_kind, SpanKind::Internal);
    assert_eq!(
        attributes(&setup),
        expected([
            ("network.peer.address", "127.0.0.1"),
            ("server.address", "peer.test"),
            ("server.port", &port),
            ("url.scheme", "http"),
        ])
    );
    let dns = rig.span("DNS lookup peer.test");
    assert!(is_child(&dns, &setup));
    assert_eq!(
        attributes(&dns),
        expected([("dns.answers", r#"["127.0.0.1"]"#), ("dns.question.name", "peer.test")])
    );
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
async fn connection_setup_failed_is_child_of_failed_attempt() {
    let rig = Rig::new();
    let port = closed_port().unwrap().port();
    let caller = Context::current_with_span(rig.traces.tracer("app").start("caller"));
    let client = client(&rig.outbound());
    let request = get(format!("http://127.0.0.1:{port}/").as_str());
    attempt(&client, request).with_context(caller).await;

    let setup = rig.span(&format!("HTTP connection_setup 127.0.0.1:{port}"));
    let failed = rig.span("GET");
    assert!(is_child(&setup, &failed) && setup.links.is_empty());
    assert_eq!(setup.status, Status::error("connection_refused in phase tcp"));
    assert_eq!(failed.status, Status::error("connection_refused in phase tcp"));
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
    assert_eq!(
        attributes(&tcp),
        expected([
            ("error.type", "connection_refused"),
            ("network.peer.address", "127.0.0.1"),
            ("network.peer.port", &port.to_string()),
            ("network.type", "ipv4"),
        ])
    );
}

/// A client whose resolver returns these addresses for every name. Their ports are used if the URI has none.
fn resolving(
    outbound: &Outbound,
    addresses: Vec<SocketAddr>,
) -> impl Service<
    http::Request<Body>,
    Response = http::Response<impl http_body::Body<Data = Bytes, Error: Send> + Send + use<>>,
    Error = tower_outbound::Error,
    Future: Send,
> + Clone
+ Send
+ use<> {
    let resolver = tower::service_fn(move |_: Name| {
        std::future::ready(Ok::<_, std::convert::Infallible>(addresses.clone().into_iter()))
    });
    let tcp = outbound.http_connector().resolver(resolver).first_family(FirstFamily::AsResolved);
    let client = Client::builder(TokioExecutor::new()).build(outbound.connector(tcp));
    outbound.attempt_layer().layer(client)
}

#[tokio::test]
async fn connect_address_spans_have_own_errors() {
    for phases in [Phases::Spans, Phases::Events] {
        let rig = Rig::new();
        let observer = rig.observer().phases(phases).build();
        let outbound = Outbound::builder().observer(observer).build();
        let server = ScriptedServer::tcp(Script::answering(OK)).await.unwrap();
        let (closed, open) = (closed_port().unwrap(), server.address().unwrap());
        let nobody = SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, closed.port()));
        let client = resolving(&outbound, vec![closed, nobody, open]);
        assert_eq!(attempt(&client, get("http://peer.test/")).await, Some(200));

        let setup = rig.span("HTTP connection_setup peer.test:80");
        let names = [closed, nobody, open].map(|address| format!("socket connect {address}"));
        if phases == Phases::Events {
            let events: Vec<_> = setup.events.iter().map(|event| event.name.to_string()).collect();
            assert_eq!(events[0], "DNS lookup peer.test");
            assert_eq!(events[1..], names);
            continue;
        }
        assert_eq!(rig.names().iter().filter(|name| name.starts_with("socket connect")).count(), 3);
        let [first, second, third] = names.map(|name| rig.span(&name));
        for (span, address, family) in
            [(&first, closed, "ipv4"), (&second, nobody, "ipv6"), (&third, open, "ipv4")]
        {
            assert!(is_child(span, &setup));
            let attributes = attributes(span);
            assert_eq!(attributes["network.peer.address"], address.ip().to_string());
            assert_eq!(attributes["network.peer.port"], address.port().to_string());
            assert_eq!(attributes["network.type"], family);
        }
        assert_eq!(attributes(&first)["error.type"], "connection_refused");
        assert_eq!(first.status, Status::error("connection_refused in phase tcp"));
        // Without IPv6, the network is unreachable; otherwise the connection is refused.
        assert_eq!(second.status, Status::error("connection_refused in phase tcp"));
        assert_eq!((third.status.clone(), attributes(&third).get("error.type")), (Status::Unset, None));
        assert!(first.end_time <= second.start_time && second.end_time <= third.start_time);
        assert_eq!(attributes(&rig.span("DNS lookup peer.test"))["dns.answers"], r#"["127.0.0.1","::1"]"#);
        assert_eq!(setup.status, Status::Unset, "the setup succeeded");
    }
}

#[tokio::test]
async fn connect_dropped_has_address_span_without_error() {
    let rig = Rig::new();
    // A backlog of one: the kernel drops further connects.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(0).unwrap();
    let silent = listener.local_addr().unwrap();
    let _first = tokio::net::TcpStream::connect(silent).await.unwrap();
    let client = resolving(&rig.outbound(), vec![silent]);
    {
        let mut pending = pin!(attempt(&client, get("http://peer.test/")));
        poll_fn(|cx| {
            assert!(pending.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
    }
    let tried = rig.span(&format!("socket connect {silent}"));
    assert!(is_child(&tried, &rig.span("HTTP connection_setup peer.test:80")));
    assert_eq!((tried.status.clone(), attributes(&tried).get("error.type")), (Status::Unset, None));
}

/// A client whose n-th connect opens the first gate of the n-th pair and waits for the second.
fn gated(
    outbound: &Outbound,
    duplex: DuplexConnector,
    gates: [(Gate, Gate); 2],
    second_fails: bool,
) -> impl Service<
    http::Request<Body>,
    Response = http::Response<impl http_body::Body<Data = Bytes, Error: Send> + Send + use<>>,
    Error = tower_outbound::Error,
    Future: Send,
> + Clone
+ Send
+ use<> {
    let count = Arc::new(AtomicUsize::new(0));
    let connector = tower::service_fn(move |_: http::Uri| {
        let number = count.fetch_add(1, Ordering::Relaxed);
        let (asked, connect) = gates[number].clone();
        let duplex = duplex.clone();
        Box::pin(async move {
            asked.open();
            connect.wait().await;
            match second_fails && number == 1 {
                true => Err(std::io::Error::from(std::io::ErrorKind::ConnectionRefused)),
                false => duplex.connect(),
            }
        })
    });
    let client = Client::builder(TokioExecutor::new()).build(outbound.connector(connector));
    outbound.attempt_layer().layer(client)
}

#[tokio::test]
async fn connection_setup_cancelled_is_root_without_error() {
    let rig = Rig::new();
    let (asked, never) = (Gate::new(), Gate::new());
    let (_server, duplex) = ScriptedServer::duplex(Script::answering(OK));
    let client =
        gated(&rig.outbound(), duplex, [(asked.clone(), never.clone()), (never.clone(), never)], false);
    {
        let pending = client.oneshot(get("http://a.example/"));
        tokio::select! {
            _ = pending => panic!("a response without a connection"),
            () = asked.wait() => {}
        }
    }
    let (attempt, setup) = (rig.span("GET"), rig.span("HTTP connection_setup a.example:80"));
    assert!(is_root(&setup) && links_to(&setup, &attempt));
    assert_eq!((setup.status.clone(), attributes(&setup).get("error.type")), (Status::Unset, None));
    assert_eq!(attributes(&attempt)["outbound.cancelled_in"], "acquire");
    assert_eq!(rig.values("outbound.connect.duration"), [], "a cancelled connect has no duration");
}

#[tokio::test]
async fn connection_setup_wasted_is_root_linked_with_both_attempts() {
    let rig = Rig::new();
    let outbound = rig.outbound();
    let (open, asked, connect, answer) = (Gate::new(), Gate::new(), Gate::new(), Gate::new());
    open.open();
    let script = Script::new().read_request().wait(&answer).write(OK).repeat();
    let (server, duplex) = ScriptedServer::duplex(script);
    let client = gated(&outbound, duplex, [(open.clone(), open), (asked.clone(), connect.clone())], false);

    // The second request starts a connect, then uses the connection of the first request.
    let send = |path: &str| {
        let (client, request) = (client.clone(), get(format!("http://a.example{path}").as_str()));
        tokio::spawn(async move { attempt(&client, request).await })
    };
    let first = send("/first");
    server.wait_until(|log| log.iter().any(|connection| connection.requests == 1)).await;
    let second = send("/second");
    asked.wait().await;
    answer.open();
    assert_eq!((first.await.unwrap(), second.await.unwrap()), (Some(200), Some(200)));
    connect.open();
    while outbound.connections().len() < 2 {
        tokio::task::yield_now().await;
    }
    // hyper-util prefers the newest idle connection.
    while rig.values("outbound.connect.wasted")[0].1 == 0.0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(send("/third").await.unwrap(), Some(200));

    let by_path = |path: &str| {
        let is = |span: &SpanData| span.name == "GET" && attributes(span)["url.full"].ends_with(path);
        rig.spans().into_iter().find(is).unwrap()
    };
    let (second, third) = (by_path("/second"), by_path("/third"));
    let spans = rig.spans();
    let setups = spans.iter().filter(|span| span.name.starts_with("HTTP connection_setup"));
    let wasted: Vec<_> = setups.filter(|setup| is_root(setup)).collect();
    assert_eq!(wasted.len(), 1);
    assert!(links_to(wasted[0], &second), "a link to the attempt that started the connect");
    assert!(links_to(&third, wasted[0]), "a link from the attempt that used the connection");
    assert_eq!(attributes(&third)["outbound.connection.setup_paid"], "false");
    assert_eq!(rig.values("outbound.connect.wasted")[0].1, 1.0);
}

#[tokio::test]
async fn connection_setup_failed_after_starter_was_served_is_root() {
    let rig = Rig::new();
    let (open, asked, connect, answer) = (Gate::new(), Gate::new(), Gate::new(), Gate::new());
    open.open();
    let script = Script::new().read_request().wait(&answer).write(OK).repeat();
    let (server, duplex) = ScriptedServer::duplex(script);
    let gates = [(open.clone(), open), (asked.clone(), connect.clone())];
    let client = gated(&rig.outbound(), duplex, gates, true);

    // The second request starts a connect, then uses the connection of the first request.
    let send = |path: &str| {
        let (client, request) = (client.clone(), get(format!("http://a.example{path}").as_str()));
        tokio::spawn(async move { attempt(&client, request).await })
    };
    let first = send("/first");
    server.wait_until(|log| log.iter().any(|connection| connection.requests == 1)).await;
    let second = send("/second");
    asked.wait().await;
    answer.open();
    assert_eq!((first.await.unwrap(), second.await.unwrap()), (Some(200), Some(200)));
    connect.open();
    let failed = |span: &SpanData| {
        attributes(span).get("error.type").is_some_and(|error| error == "connection_refused")
    };
    while !rig.spans().iter().any(failed) {
        tokio::task::yield_now().await;
    }
    let spans = rig.spans();
    let setup = spans.iter().find(|span| failed(span)).unwrap();
    let is_second =
        |span: &&SpanData| span.name == "GET" && attributes(span)["url.full"].ends_with("/second");
    assert!(is_root(setup) && links_to(setup, spans.iter().find(is_second).unwrap()));
}

#[tokio::test]
async fn connection_setup_unused_recorded_at_close() {
    let rig = Rig::new();
    let (_server, duplex) = ScriptedServer::duplex(Script::answering(OK));
    let mut connector = rig.outbound().connector(duplex);
    let uri: http::Uri = "http://a.example/".parse().unwrap();
    let io = connector.ready().await.unwrap().call(uri).await.unwrap();
    assert_eq!(rig.names(), Vec::<String>::new(), "the span ends at the first use or at the close");
    drop(io);
    let setup = rig.span("HTTP connection_setup a.example:80");
    assert!(is_root(&setup) && setup.links.is_empty(), "no attempt started the connect");
}

#[tokio::test]
async fn connection_setup_http2_is_child_of_starter_not_of_fastest() {
    let rig = Rig::new();
    let gate = Gate::new();
    let held = gate.clone();
    let handler = move |request: http::Request<hyper::body::Incoming>| {
        let held = held.clone();
        async move {
            if request.uri().path() == "/slow" {
                held.wait().await;
            }
            http::Response::new(http_body_util::Full::new(Bytes::from("ok")))
        }
    };
    let server = outbound_tests::server::H2Server::builder().start(handler).await.unwrap();
    let outbound = rig.outbound();
    let client = outbound.client_builder().http2_only(true).build();
    let send = |path: &'static str| {
        let mut request = http::Request::get(server.uri(path)).body(String::new()).unwrap();
        request.extensions_mut().insert(tower_outbound::UrlTemplate::from_static(path));
        let response = client.request(request);
        async { http_body_util::BodyExt::collect(response.await.unwrap().into_body()).await.unwrap() }
    };
    let slow = tokio::spawn(send("/slow"));
    while outbound.connections().first().is_none_or(|connection| connection.in_flight() == 0) {
        tokio::task::yield_now().await;
    }
    send("/fast").await;
    gate.open();
    slow.await.unwrap();

    let setup = rig.span(&format!("HTTP connection_setup {}", server.address()));
    assert!(is_child(&setup, &rig.span("GET /slow")) && setup.links.is_empty());
    assert!(links_to(&rig.span("GET /fast"), &setup));

    assert_eq!(attributes(&rig.span("GET /slow"))["network.protocol.version"], "2");
    for metric in ["http.client.request.duration", "http.client.open_connections"] {
        let series = rig.values(metric).into_iter();
        let mut used = series
            .filter(|(labels, _)| labels.get("http.connection.state").is_none_or(|state| state == "active"));
        assert!(used.all(|(labels, _)| labels["network.protocol.version"] == "2"), "{metric}");
    }
}

#[tokio::test]
async fn connection_setup_used_by_other_attempt_first_is_root() {
    let rig = Rig::new();
    let outbound = rig.outbound();
    let (_server, duplex) = ScriptedServer::duplex(Script::answering(OK));
    let (lent, free) = (Gate::new(), Arc::new(tokio::sync::Mutex::new(None)));
    // The second request uses the connection that the first request started. The first request starts another.
    let client = {
        let (connector, lent, free) = (outbound.connector(duplex), lent.clone(), Arc::clone(&free));
        tower::service_fn(move |request: http::Request<_>| {
            let (connector, lent, free) = (connector.clone(), lent.clone(), Arc::clone(&free));
            Box::pin(async move {
                let connect = || async {
                    let io = connector.clone().oneshot("http://a.example/".parse().unwrap()).await.unwrap();
                    let (sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
                    tokio::spawn(connection);
                    sender
                };
                let mut sender = if request.uri().path() == "/borrows" {
                    free.lock().await.take().unwrap()
                } else {
                    *free.lock().await = Some(connect().await);
                    lent.wait().await;
                    connect().await
                };
                sender.send_request(request).await
            })
        })
    };
    let service = outbound.attempt_layer().layer(client);
    let send = |path: &'static str| {
        let mut request = get(format!("http://a.example{path}").as_str());
        request.extensions_mut().insert(tower_outbound::UrlTemplate::from_static(path));
        let service = service.clone();
        async move { attempt(&service, request).await }
    };
    let lends = tokio::spawn(send("/lends"));
    while free.lock().await.is_none() {
        tokio::task::yield_now().await;
    }
    assert_eq!(send("/borrows").await, Some(200));
    lent.open();
    assert_eq!(lends.await.unwrap(), Some(200));

    let (lends, borrows) = (rig.span("GET /lends"), rig.span("GET /borrows"));
    let setups: Vec<_> =
        rig.spans().into_iter().filter(|span| span.name.starts_with("HTTP connection_setup")).collect();
    let (roots, children): (Vec<_>, Vec<_>) = setups.into_iter().partition(is_root);
    assert_eq!((roots.len(), children.len()), (1, 1));
    assert!(links_to(&roots[0], &lends) && links_to(&borrows, &roots[0]));
    assert!(is_child(&children[0], &lends) && children[0].links.is_empty() && lends.links.is_empty());
}

#[tokio::test]
async fn dns_lookup_failure_counted_with_resolver_reason() {
    let rig = Rig::new();
    let outbound = rig.outbound();
    let resolver = tower::service_fn(|_: Name| {
        let failed = ResolveError::new(DnsFailure::HostNotFound);
        std::future::ready(Err::<std::vec::IntoIter<SocketAddr>, _>(failed))
    });
    let client =
        outbound.client_builder().tcp_connector(outbound.http_connector().resolver(resolver)).build();
    assert!(client.oneshot(get("http://peer.test/")).await.is_err());
    let lookup = expected([("dns.question.name", "peer.test"), ("error.type", "host_not_found")]);
    assert_eq!(rig.values("dns.lookup.duration"), [(lookup, 1.0)]);
    assert_eq!(attributes(&rig.span("GET"))["error.type"], "name_resolution_error");
}
