//! The socket options, as the system reports them.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use outbound_tests::server::closed_port;
use socket2::SockRef;
use tokio::io::{AsyncRead as _, ReadBuf};
use tower::ServiceExt as _;
use tower_outbound::connect::TcpConnector;
use tower_outbound::settings::Settings;
use tower_outbound::{Failure, Kind, Outbound};

use crate::log::Lines;

use super::{open, peer, recorded, resolver, tcp_error};

#[tokio::test]
async fn tcp_options_default_to_nodelay_and_dead_peer_in_30_s() {
    let (_listener, open) = open(Ipv4Addr::LOCALHOST);
    let io = TcpConnector::new().resolver(resolver([open])).oneshot(peer()).await.unwrap();
    let socket = SockRef::from(io.inner());
    assert!(socket.tcp_nodelay().unwrap() && socket.keepalive().unwrap() && !socket.reuse_address().unwrap());
    assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(15));
    assert_eq!(socket.tcp_keepalive_interval().unwrap(), Duration::from_secs(15));
    assert_eq!(socket.tcp_keepalive_retries().unwrap(), 3);
    #[cfg(target_os = "linux")]
    assert_eq!(socket.tcp_user_timeout().unwrap(), Some(Duration::from_secs(30)));
}

#[tokio::test]
async fn tcp_keepalive_and_user_timeout_are_off_at_zero() {
    let (_listener, open) = open(Ipv4Addr::LOCALHOST);
    let tcp = TcpConnector::new().resolver(resolver([open])).keepalive(Duration::ZERO);
    #[cfg(target_os = "linux")]
    let tcp = tcp.tcp_user_timeout(Duration::ZERO);
    let io = tcp.oneshot(peer()).await.unwrap();
    let socket = SockRef::from(io.inner());
    assert!(!socket.keepalive().unwrap());
    #[cfg(target_os = "linux")]
    assert_eq!(socket.tcp_user_timeout().unwrap(), None);
}

#[tokio::test]
async fn tcp_options_all_reach_socket() {
    const SIZE: usize = 64 * 1024;
    let (_listener, open) = open(Ipv4Addr::LOCALHOST);
    let tcp = TcpConnector::new()
        .resolver(resolver([open]))
        .nodelay(false)
        .keepalive(Duration::from_secs(61))
        .keepalive_interval(Duration::from_secs(7))
        .keepalive_retries(3)
        .reuse_address(true)
        .send_buffer_size(SIZE)
        .recv_buffer_size(SIZE);
    #[cfg(target_os = "linux")]
    let tcp = tcp.tcp_user_timeout(Duration::from_millis(4321)).interface("lo");
    let io = tcp.oneshot(peer()).await.unwrap();
    let socket = SockRef::from(io.inner());
    assert!(!socket.tcp_nodelay().unwrap() && socket.keepalive().unwrap() && socket.reuse_address().unwrap());
    assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(61));
    assert_eq!(socket.tcp_keepalive_interval().unwrap(), Duration::from_secs(7));
    assert_eq!(socket.tcp_keepalive_retries().unwrap(), 3);
    #[cfg(target_os = "linux")]
    {
        assert_eq!(
            (socket.send_buffer_size().unwrap(), socket.recv_buffer_size().unwrap()),
            (2 * SIZE, 2 * SIZE)
        );
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(Duration::from_millis(4321)));
        assert_eq!(socket.device().unwrap().as_deref(), Some(&b"lo"[..]));
    }
}

#[tokio::test]
async fn tcp_local_address_seen_by_peer_and_limits_family() {
    let (listener, open) = open(Ipv4Addr::LOCALHOST);
    let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, closed_port().unwrap().port()));
    let local = Ipv4Addr::new(127, 0, 0, 3);
    let (outbound, _recorder, events) = recorded();
    let tcp = TcpConnector::new().resolver(resolver([v6, open])).local_address(local.into());
    let io = outbound.connector(tcp.clone()).oneshot(peer()).await.unwrap();
    assert_eq!(events.take(), ["dns ok", &format!("{open} connected"), "tcp ok", "ended"]);
    assert_eq!(listener.accept().unwrap().1.ip(), IpAddr::from(local));
    assert_eq!(io.connection().local_addr().unwrap().ip(), IpAddr::from(local));

    let error = tcp.resolver(resolver([v6])).oneshot(peer()).await.unwrap_err();
    assert_eq!(error.failure().kind(), Kind::AddressNotAvailable);
    assert_eq!(error.to_string(), "`peer.test` has no address of the family of `local_address`");
}

/// The runtime's driver does not run between the end and the read.
#[tokio::test]
async fn tcp_end_of_unused_connection_is_read_unseen_by_runtime() {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    for reset in [false, true] {
        let (listener, open) = open(Ipv4Addr::LOCALHOST);
        let io = TcpConnector::new().resolver(resolver([open])).oneshot(peer()).await.unwrap();
        let mut io = TokioIo::new(io);
        let mut read = || {
            let mut bytes = [0; 8];
            let mut buf = ReadBuf::new(&mut bytes);
            Pin::new(&mut io).poll_read(&mut context, &mut buf).map_ok(|()| buf.filled().len())
        };
        assert!(read().is_pending());
        let accepted = listener.accept().unwrap().0;
        if reset {
            SockRef::from(&accepted).set_linger(Some(Duration::ZERO)).unwrap();
        }
        drop(accepted);
        match read() {
            Poll::Ready(Ok(0)) => assert!(!reset),
            Poll::Ready(Err(error)) => assert!(reset && error.kind() == ErrorKind::ConnectionReset),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn tcp_local_addresses_of_both_families_try_both() {
    let (listener, open) = open(Ipv4Addr::LOCALHOST);
    let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, closed_port().unwrap().port()));
    let local = Ipv4Addr::new(127, 0, 0, 3);
    let (outbound, _recorder, events) = recorded();
    let tcp = TcpConnector::new().resolver(resolver([open, v6])).local_addresses(local, Ipv6Addr::LOCALHOST);
    outbound.connector(tcp).oneshot(peer()).await.unwrap();
    let events = events.take();
    assert!(events[1].starts_with(&format!("{v6} ")), "{events:?}");
    assert_eq!(events[2], format!("{open} connected"));
    assert_eq!(listener.accept().unwrap().1.ip(), IpAddr::from(local));
}

#[tokio::test]
async fn tcp_required_option_failure_names_option_and_value() {
    let closed = closed_port().unwrap();
    let tcp = TcpConnector::new().resolver(resolver([closed]));
    // Reserved for documentation (RFC 5737): no host has this address.
    let cases = [
        (
            tcp.clone().local_address(Ipv4Addr::new(192, 0, 2, 1).into()),
            "`local_address` 192.0.2.1 cannot be used",
            Kind::AddressNotAvailable,
            99,
        ),
        #[cfg(target_os = "linux")]
        (tcp.interface("nosuch0"), "`interface` nosuch0 cannot be used", Kind::Connection, 19),
    ];
    for (tcp, message, kind, os_error) in cases {
        let (outbound, ..) = recorded();
        let error = outbound.connector(tcp).oneshot(peer()).await.unwrap_err();
        let failure = Failure::of(&*error);
        assert_eq!((failure.kind(), failure.os_error()), (kind, Some(os_error)));
        let source = std::error::Error::source(tcp_error(&*error)).unwrap();
        assert_eq!(source.to_string(), message);
    }
}

#[tokio::test]
async fn tcp_optional_option_failure_connects_and_warns_once() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(lines.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let (_listener, open) = open(Ipv4Addr::LOCALHOST);
    // More probes than a system allows.
    let tcp = TcpConnector::new().resolver(resolver([open])).keepalive_retries(1_000_000);
    for _ in 0..2 {
        let io = tcp.clone().oneshot(peer()).await.unwrap();
        assert!(SockRef::from(io.inner()).tcp_nodelay().unwrap(), "the other options are set");
    }
    let log = lines.text();
    let warned = log.lines().filter(|line| line.contains("WARN tower_outbound: a socket option"));
    let warned: Vec<_> = warned.filter(|line| line.contains("option=\"keepalive\"")).collect();
    assert_eq!(warned.len(), 1, "{log}");
}

#[test]
fn tcp_option_on_clone_leaves_original_unchanged() {
    let original = TcpConnector::new();
    let before = format!("{original:?}");
    let clone = original.clone().nodelay(false);
    assert_ne!(format!("{clone:?}"), before);
    assert_eq!(format!("{original:?}"), before);
}

#[tokio::test]
async fn tcp_settings_reach_next_socket_and_leave_what_code_has_set() {
    let (_listener, open) = open(Ipv4Addr::LOCALHOST);
    let outbound =
        Outbound::builder().settings(Settings::new().tcp_keepalive(Duration::from_secs(40))).build();
    let followed = outbound.http_connector().resolver(resolver([open]));
    let by_code = followed.clone().nodelay(true).keepalive_retries(9);
    let at_start = followed.clone().oneshot(peer()).await.unwrap();
    assert_eq!(SockRef::from(at_start.inner()).tcp_keepalive_time().unwrap(), Duration::from_secs(40));

    let settings = Settings::new()
        .tcp_nodelay(false)
        .tcp_keepalive(Duration::from_secs(61))
        .tcp_keepalive_interval(Duration::from_secs(7))
        .tcp_keepalive_retries(4)
        .tcp_user_timeout(Duration::from_millis(4321))
        .local_address(vec![Ipv4Addr::new(127, 0, 0, 3).into()])
        .interface(cfg!(target_os = "linux").then(|| "lo".to_owned()))
        .reuse_address(true)
        .send_buffer_size(64 * 1024)
        .recv_buffer_size(64 * 1024);
    outbound.apply(&settings);
    for (tcp, nodelay, retries) in [(&followed, false, 4), (&by_code, true, 9)] {
        let io = tcp.clone().oneshot(peer()).await.unwrap();
        let socket = SockRef::from(io.inner());
        assert_eq!(
            (socket.tcp_nodelay().unwrap(), socket.tcp_keepalive_retries().unwrap()),
            (nodelay, retries)
        );
        assert!(socket.reuse_address().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(61));
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), Duration::from_secs(7));
        assert_eq!(io.inner().local_addr().unwrap().ip(), Ipv4Addr::new(127, 0, 0, 3));
        #[cfg(target_os = "linux")]
        {
            let sizes = (socket.send_buffer_size().unwrap(), socket.recv_buffer_size().unwrap());
            assert_eq!(sizes, (128 * 1024, 128 * 1024));
            assert_eq!(socket.tcp_user_timeout().unwrap(), Some(Duration::from_millis(4321)));
            assert_eq!(socket.device().unwrap().as_deref(), Some(&b"lo"[..]));
        }
    }

    // The system's values.
    let zeros = Settings::new()
        .tcp_keepalive(Duration::from_secs(61))
        .tcp_keepalive_interval(Duration::ZERO)
        .tcp_keepalive_retries(0)
        .tcp_user_timeout(Duration::ZERO);
    outbound.apply(&zeros);
    let io = followed.oneshot(peer()).await.unwrap();
    let socket = SockRef::from(io.inner());
    assert!(socket.tcp_keepalive_interval().unwrap() > Duration::from_secs(15));
    assert!(socket.tcp_keepalive_retries().unwrap() > 3);
    #[cfg(target_os = "linux")]
    assert_eq!(socket.tcp_user_timeout().unwrap(), None);
}
