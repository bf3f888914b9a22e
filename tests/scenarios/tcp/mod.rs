//! `TcpConnector`: any resolver, every address, all options.

mod addresses;
mod failures;
mod options;
mod timeouts;

use std::convert::Infallible;
use std::error::Error as StdError;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use http::Uri;
use hyper_util::client::legacy::connect::dns::Name;
use outbound_tests::recorder::Recorder;
use tower::{Service, service_fn};
use tower_outbound::connect::{AddressOutcome, TcpConnectError};
use tower_outbound::{Event, Outbound};

/// Events as text: `ADDRESS OUTCOME` per tried address, `PHASE OUTCOME` per phase, and `ended`.
#[derive(Clone, Default)]
struct EventLog(Arc<Mutex<Vec<String>>>);

impl EventLog {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

/// A stack with a recorder and a log of its connect events.
fn recorded() -> (Outbound, Recorder, EventLog) {
    let (recorder, events) = (Recorder::new(), EventLog::default());
    let log = events.clone();
    let observer = move |event: &Event<'_>| {
        let mut events = log.0.lock().unwrap();
        match event {
            Event::AddressAttempt { address: attempt, .. } => events.push(format!(
                "{} {}",
                attempt.address,
                match &attempt.outcome {
                    AddressOutcome::Failed(failure) => failure.kind().as_str(),
                    AddressOutcome::Connected => "connected",
                    AddressOutcome::Lost => "lost",
                    AddressOutcome::Cancelled => "cancelled",
                    _ => "other",
                }
            )),
            Event::ConnectPhase { phase, failure, .. } => {
                events.push(format!("{phase} {}", failure.map_or("ok", |failure| failure.kind().as_str())));
            }
            Event::ConnectEnded { .. } => events.push("ended".to_owned()),
            _ => {}
        }
    };
    (Outbound::builder().observer(recorder.clone()).observer(observer).build(), recorder, events)
}

/// Resolves every name to these addresses. Their port is used if the URI has none.
fn resolver(
    addresses: impl Into<Vec<SocketAddr>>,
) -> impl Service<
    Name,
    Response = std::vec::IntoIter<SocketAddr>,
    Error = Infallible,
    Future = std::future::Ready<Result<std::vec::IntoIter<SocketAddr>, Infallible>>,
> + Clone
+ Send
+ Sync
+ 'static {
    let addresses = addresses.into();
    service_fn(move |_: Name| std::future::ready(Ok(addresses.clone().into_iter())))
}

fn peer() -> Uri {
    "http://peer.test/".parse().unwrap()
}

/// A listening socket that accepts nothing: the kernel completes the handshakes.
fn open(ip: impl Into<IpAddr>) -> (std::net::TcpListener, SocketAddr) {
    let listener = std::net::TcpListener::bind((ip.into(), 0)).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// An address that does not answer: its backlog is full, so the kernel drops further handshakes.
struct Silent {
    _listener: socket2::Socket,
    _first: std::net::TcpStream,
    address: SocketAddr,
}

impl Silent {
    fn new() -> Silent {
        let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let first = std::net::TcpStream::connect(address).unwrap();
        Silent { _listener: listener, _first: first, address }
    }
}

/// Finds the error of `TcpConnector` in the chain.
fn tcp_error<'a>(mut error: &'a (dyn StdError + 'static)) -> &'a TcpConnectError {
    loop {
        match error.downcast_ref() {
            Some(ours) => return ours,
            None => error = error.source().expect("a TcpConnectError in the chain"),
        }
    }
}
