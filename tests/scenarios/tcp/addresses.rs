//! Which addresses are tried, in which order, and the reported events.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::time::Duration;

use futures_util::FutureExt as _;
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::connect::dns::Name;
use outbound_tests::certs::Certs;
use outbound_tests::secret;
use outbound_tests::server::{Script, ScriptedServer, closed_port};
use tower::{ServiceExt as _, service_fn};
use tower_layer::Layer as _;
use tower_outbound::connect::{FirstFamily, PhaseLayer, TcpConnector};
use tower_outbound::{Phase, Timings};

use super::{Silent, open, peer, recorded, resolver};
use crate::support::{Body, stack};

const OK: &str = "HTTP/1.1 204 No Content\r\n\r\n";

#[tokio::test]
async fn tcp_refused_address_is_reported_and_next_connects() {
    let server = ScriptedServer::tcp(Script::answering(OK)).await.unwrap();
    let (closed, open) = (open(Ipv4Addr::new(127, 0, 0, 2)).1, server.address().unwrap());
    let (outbound, recorder, events) = recorded();
    let tcp = outbound.http_connector().resolver(resolver([closed, open]));
    let client = stack(&outbound, outbound.connector(tcp));
    let response = client.clone().oneshot(secret::request(&peer(), Body::default())).await.unwrap();

    assert_eq!(response.status(), 204);
    assert_eq!(
        events.take(),
        [
            "dns ok".to_owned(),
            format!("{closed} connection_refused"),
            format!("{open} connected"),
            "tcp ok".to_owned(),
            "ended".to_owned()
        ]
    );
    let timings = response.extensions().get::<Timings>().unwrap();
    let setup = timings.setup().unwrap();
    assert_eq!(setup.dns_answers(), Some(&[IpAddr::from([127, 0, 0, 2]), IpAddr::from([127, 0, 0, 1])][..]));
    assert_eq!(setup.peer_addr(), Some(open));
    assert_eq!(timings.connection().unwrap().peer_addr(), Some(open));
    let attempts = setup.address_attempts();
    assert_eq!(attempts.iter().map(|attempt| attempt.address).collect::<Vec<_>>(), [closed, open]);
    assert_eq!(attempts[0].failure().unwrap().os_error(), Some(111));
    assert!(attempts[0].end <= attempts[1].start && attempts[1].end <= setup.end_time().unwrap());
    let tried = attempts[1].end - attempts[0].start;
    assert!(tried <= setup.phase(Phase::Tcp).unwrap(), "the phase contains its attempts");
    drop((client, response));
    recorder.settled().await;
}

#[tokio::test]
async fn tcp_silent_address_loses_to_next_and_is_tried_last() {
    let silent = Silent::new();
    let (_listener, open) = open(Ipv4Addr::LOCALHOST);
    let (outbound, recorder, events) = recorded();
    let tcp = outbound
        .http_connector()
        .attempt_delay(Duration::from_millis(10))
        .resolver(resolver([silent.address, open]));
    let connector = outbound.connector(tcp);
    connector.clone().oneshot(peer()).await.unwrap();
    assert_eq!(events.take()[1..3], [format!("{open} connected"), format!("{} lost", silent.address)]);
    connector.oneshot(peer()).await.unwrap();
    assert_eq!(events.take(), ["dns ok", &format!("{open} connected"), "tcp ok", "ended"]);
    recorder.settled().await;
}

#[tokio::test]
async fn tcp_failed_address_is_last_until_success_per_origin() {
    let (a, (listener, b)) = (closed_port().unwrap(), open(Ipv4Addr::LOCALHOST));
    let (outbound, _recorder, events) = recorded();
    let connector = outbound.connector(outbound.http_connector().resolver(resolver([a, b])));
    let tried = async || {
        connector.clone().oneshot(peer()).await.unwrap();
        events.take().into_iter().filter(|event| event.starts_with("127.")).collect::<Vec<_>>()
    };
    assert_eq!(tried().await, [format!("{a} connection_refused"), format!("{b} connected")]);
    assert_eq!(tried().await, [format!("{b} connected")]);
    connector.clone().oneshot("http://other.test/".parse().unwrap()).await.unwrap();
    assert_eq!(events.take()[1], format!("{a} connection_refused"), "no failure is known for this origin");

    drop(listener);
    let _listener = TcpListener::bind(a).unwrap();
    assert_eq!(tried().await, [format!("{b} connection_refused"), format!("{a} connected")]);
    assert_eq!(tried().await, [format!("{a} connected")]);
}

#[tokio::test]
async fn tcp_address_families_alternate_ipv6_first_by_default() {
    let (_listener, open) = open(Ipv4Addr::LOCALHOST);
    let closed_v4 = closed_port().unwrap();
    // Refused, or unreachable on a host without IPv6.
    let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, closed_v4.port()));
    for (first, expected) in [
        (None, vec![v6, closed_v4, open]),
        (Some(FirstFamily::Ipv6), vec![v6, closed_v4, open]),
        (Some(FirstFamily::Ipv4), vec![closed_v4, v6, open]),
        (Some(FirstFamily::AsResolved), vec![closed_v4, v6, open]),
    ] {
        let (outbound, _recorder, _events) = recorded();
        let mut tcp = TcpConnector::new().resolver(resolver([closed_v4, open, v6]));
        if let Some(first) = first {
            tcp = tcp.first_family(first);
        }
        let io = outbound.connector(tcp).oneshot(peer()).await.unwrap();
        let tried: Vec<_> =
            io.connection().setup().address_attempts().iter().map(|attempt| attempt.address).collect();
        assert_eq!(tried, expected, "{first:?}");
    }
}

#[tokio::test]
async fn dns_skipped_for_ip_address() {
    let (_listener, open) = open(Ipv4Addr::LOCALHOST);
    let closed_v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, closed_port().unwrap().port()));
    let never = service_fn(|name: Name| async move {
        panic!("{name} must not be resolved");
        #[expect(unreachable_code, reason = "the type of the future's output")]
        Ok::<_, std::io::Error>(std::iter::empty())
    });
    let (outbound, _recorder, events) = recorded();
    let connector = outbound.connector(outbound.http_connector().resolver(never));
    let io = connector.clone().oneshot(format!("http://{open}/").parse().unwrap()).await.unwrap();
    assert_eq!(events.take(), [&format!("{open} connected"), "tcp ok", "ended"]);
    assert_eq!(io.connection().setup().dns_answers(), None);

    connector.oneshot(format!("http://{closed_v6}/").parse().unwrap()).await.unwrap_err();
    let events = events.take();
    assert!(events[0].starts_with(&format!("{closed_v6} ")) && events[1].starts_with("tcp "), "{events:?}");
}

#[tokio::test]
async fn tcp_port_of_uri_precedes_resolver_and_scheme() {
    let (_listener, open) = open(Ipv4Addr::LOCALHOST);
    let (outbound, ..) = recorded();
    for (uri, resolved) in [
        (format!("http://peer.test:{}/", open.port()), 9),
        (format!("http://peer.test:{}/", open.port()), 0),
        ("http://peer.test/".to_owned(), open.port()),
    ] {
        let tcp = TcpConnector::new().resolver(resolver([(open.ip(), resolved).into()]));
        let io = outbound.connector(tcp).oneshot(uri.parse().unwrap()).await.unwrap();
        assert_eq!(io.connection().peer_addr(), Some(open), "{uri}, resolved to port {resolved}");
    }
    // Dropped after one poll: only the port matters.
    for (scheme, port) in [("http", 80), ("https", 443)] {
        let (outbound, _recorder, events) = recorded();
        let tcp = TcpConnector::new().resolver(resolver([(open.ip(), 0).into()]));
        let uri = format!("{scheme}://peer.test/").parse().unwrap();
        drop(outbound.connector(tcp).oneshot(uri).now_or_never());
        assert!(events.take()[1].starts_with(&format!("{}:{port} ", open.ip())));
    }
}

#[tokio::test]
async fn tcp_duplicate_address_tried_once_and_64_at_most() {
    let closed = closed_port().unwrap();
    let (outbound, _recorder, events) = recorded();
    let tcp = TcpConnector::new().resolver(resolver([closed, closed]));
    outbound.connector(tcp).oneshot(peer()).await.unwrap_err();
    assert_eq!(events.take().iter().filter(|event| event.starts_with(&format!("{closed} "))).count(), 1);

    let hundred: Vec<_> =
        (1..=100).map(|last| (Ipv4Addr::new(127, 0, 1, last), closed.port()).into()).collect();
    let tcp = TcpConnector::new().resolver(resolver(hundred));
    outbound.connector(tcp).oneshot(peer()).await.unwrap_err();
    assert_eq!(events.take().iter().filter(|event| event.starts_with("127.0.1.")).count(), 64);
}

#[tokio::test]
async fn dns_phase_of_self_timed_resolver_reported_once() {
    let (_listener, open) = open(Ipv4Addr::LOCALHOST);
    let (outbound, _recorder, events) = recorded();
    let tcp = TcpConnector::new().resolver(PhaseLayer::dns().layer(resolver([open])));
    let io = outbound.connector(tcp).oneshot(peer()).await.unwrap();
    assert_eq!(events.take(), ["dns ok", &format!("{open} connected"), "tcp ok", "ended"]);
    assert_eq!(io.connection().setup().dns_answers(), Some(&[IpAddr::from(Ipv4Addr::LOCALHOST)][..]));
}

#[tokio::test]
async fn dns_custom_resolver_serves_whole_client_over_tls() {
    let certs = Certs::new("peer.test");
    let script = Script::new().tls(certs.server_config(&["http/1.1"])).read_request().write(OK).repeat();
    let server = ScriptedServer::tcp(script).await.unwrap();
    let (outbound, recorder, events) = recorded();
    let tcp = outbound.http_connector().resolver(resolver([server.address().unwrap()]));
    let client = outbound.client_builder().tls_config(certs.client_config(&[])).tcp_connector(tcp).build();
    let response = client.get("https://peer.test/").await.unwrap();
    let setup = response.extensions().get::<Timings>().unwrap().setup().unwrap().clone();
    response.into_body().collect().await.unwrap();
    assert_eq!(
        setup.tls().unwrap().alpn.as_deref(),
        Some("http/1.1"),
        "TLS information can be read from the IO"
    );
    assert_eq!(events.take()[2..], ["tcp ok", "tls ok", "ended"]);
    drop(client);
    recorder.settled().await;
}
