//! The port and the thread of a front.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use prost::Message as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::Instant;

use super::{EMPTY, Http, LIMIT, before_receiver, received, spans};
use crate::otlp::{Fault, Front, FrontProtocol};
use crate::server::closed_port;

async fn refuses(front: &Front) -> bool {
    TcpStream::connect(front.address()).await.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

/// Whether another socket can bind the port.
fn is_free(address: SocketAddr) -> bool {
    TcpSocket::new_v4().unwrap().bind(address).is_ok()
}

/// The number of threads of this process with that name.
#[cfg(target_os = "linux")]
fn threads(name: &str) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    // A thread may end during the read.
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
    names.filter(|comm| comm.trim_end() == name).count()
}

/// Waits: a joined thread stays listed for a moment.
#[cfg(target_os = "linux")]
fn no_thread_is_left(name: &str) -> bool {
    let begin = Instant::now();
    while threads(name) > 0 && begin.elapsed() < LIMIT {
        std::thread::yield_now();
    }
    threads(name) == 0
}

#[tokio::test]
async fn front_http_refused_closes_all_then_none_serves_same_port() {
    let (receiver, front) = before_receiver(FrontProtocol::Http).await;
    let mut idle = Http::open(&front).await;
    assert_eq!(idle.post(EMPTY).await, "HTTP/1.1 200 OK");
    front.set(Fault::Hanging);
    let mut busy = Http::open(&front).await;
    busy.send("/v1/traces", "", EMPTY).await;
    assert!(front.wait_for(|front| front.requests() == 2, LIMIT).await);

    for _ in 0..2 {
        front.set(Fault::Refused);
        assert!(refuses(&front).await);
        assert!(!is_free(front.address()));
    }
    assert_eq!((idle.rest().await, busy.rest().await), (vec![], vec![]));

    front.set(Fault::None);
    let answer = Http::open(&front).await.post(&spans([1]).encode_to_vec()).await;
    assert_eq!((answer.as_str(), received(&receiver)), ("HTTP/1.1 200 OK", vec!["01".repeat(8)]));
}

#[tokio::test]
async fn front_grpc_refused_closes_all_then_none_serves_same_port() {
    let (receiver, front) = before_receiver(FrontProtocol::Grpc).await;
    let mut client = TraceServiceClient::connect(front.endpoint()).await.unwrap();
    front.set(Fault::Hanging);
    let mut hanging = client.clone();
    let hanging = tokio::spawn(async move { hanging.export(spans([1])).await });
    assert!(front.wait_for(|front| front.requests() == 1, LIMIT).await);
    front.set(Fault::Refused);
    assert!(refuses(&front).await);
    assert!(tokio::time::timeout(LIMIT, hanging).await.expect("an end").unwrap().is_err());
    assert!(client.export(spans([2])).await.is_err());

    front.set(Fault::None);
    client.export(spans([3])).await.unwrap();
    assert_eq!((front.requests(), received(&receiver)), (2, vec!["03".repeat(8)]));
}

#[tokio::test]
async fn front_slow_request_not_forwarded_when_port_closes() {
    let (receiver, front) = before_receiver(FrontProtocol::Http).await;
    front.set(Fault::Slow(LIMIT));
    let mut client = Http::open(&front).await;
    client.send("/v1/traces", "", &spans([1]).encode_to_vec()).await;
    assert!(front.wait_for(|front| front.requests() == 1, LIMIT).await);
    front.set(Fault::Refused);
    assert_eq!(client.rest().await, b"");
    assert_eq!((front.forwarded(), receiver.requests()), (0, (0, 0)));
}

#[tokio::test]
async fn front_silent_closes_open_and_serves_backlog_later() {
    let (_receiver, front) = before_receiver(FrontProtocol::Http).await;
    let mut open = Http::open(&front).await;
    assert_eq!(open.post(EMPTY).await, "HTTP/1.1 200 OK");
    front.set(Fault::Silent);
    assert_eq!(open.rest().await, b"");

    let mut waiting = Http::open(&front).await;
    waiting.send("/v1/traces", "", EMPTY).await;
    // Each change passes through the main task, which would have accepted the connection by now.
    for _ in 0..10 {
        front.set(Fault::Silent);
    }
    assert_eq!(front.requests(), 1);
    front.set(Fault::Rejects);
    assert!(waiting.answer().await.0.starts_with("HTTP/1.1 400 "));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn front_drop_leaves_no_thread_and_frees_port() {
    for fault in [Fault::None, Fault::Silent, Fault::Refused, Fault::Slow(LIMIT)] {
        for protocol in [FrontProtocol::Http, FrontProtocol::Grpc] {
            let front = Front::start(closed_port().unwrap(), protocol).unwrap();
            let (address, name) = (front.address(), format!("front-{}", front.address().port()));
            front.set(fault);
            assert!(!is_free(address));
            assert_eq!(threads(&name), 1);
            drop(front);
            assert!(no_thread_is_left(&name), "{fault:?}");
            assert!(is_free(address), "{fault:?}");
        }
    }
}

#[tokio::test]
async fn front_drop_closes_connections_with_request_in_flight() {
    for fault in [Fault::Hanging, Fault::Slow(LIMIT)] {
        let (_receiver, front) = before_receiver(FrontProtocol::Http).await;
        front.set(fault);
        let mut client = Http::open(&front).await;
        client.send("/v1/traces", "", EMPTY).await;
        assert!(front.wait_for(|front| front.requests() == 1, LIMIT).await);
        drop(front);
        assert_eq!(client.rest().await, b"");
    }
}

#[test]
fn front_answers_blocking_client() {
    let front = Front::start(closed_port().unwrap(), FrontProtocol::Http).unwrap();
    front.set(Fault::CutHead);
    let mut stream = std::net::TcpStream::connect(front.address()).unwrap();
    stream.write_all(b"POST /v1/traces HTTP/1.1\r\nhost: front\r\ncontent-length: 0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "HTTP/1.1 2");
}
