//! The scripted server.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::TcpListener;

use super::duplex::DuplexConnector;
use super::log::{ConnectionLog, Log};
use super::play::play;
use super::script::Scripts;
use super::transport::{Raw, Transport};
use crate::gate::Gate;

/// A server that plays a [`Script`](super::Script) on each connection and logs it. Dropping the server stops it.
#[derive(Debug)]
pub struct ScriptedServer {
    address: Option<SocketAddr>,
    log: Log,
    stopped: Gate,
}

impl ScriptedServer {
    /// Listens on loopback TCP.
    pub async fn tcp(scripts: impl Scripts) -> io::Result<ScriptedServer> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = Some(listener.local_addr()?);
        let server = ScriptedServer { address, log: Log::default(), stopped: Gate::new() };
        tokio::spawn(accept(listener, Arc::new(scripts), server.log.clone(), server.stopped.clone()));
        Ok(server)
    }

    /// Serves the connections of the returned connector, without sockets, so that the clock can be paused.
    #[must_use]
    pub fn duplex(scripts: impl Scripts) -> (ScriptedServer, DuplexConnector) {
        let server = ScriptedServer { address: None, log: Log::default(), stopped: Gate::new() };
        let connector = DuplexConnector::new(Arc::new(scripts), server.log.clone(), server.stopped.clone());
        (server, connector)
    }

    /// Its address; `None` over duplex.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// `http://127.0.0.1:PORT` and the path.
    #[must_use]
    pub fn uri(&self, path: &str) -> http::Uri {
        self.uri_with("http", "127.0.0.1", path)
    }

    /// As [`uri`](Self::uri) with another scheme and host name. Over duplex the URI has no port, and any host will do.
    #[must_use]
    pub fn uri_with(&self, scheme: &str, host: &str, path: &str) -> http::Uri {
        let authority = self.address.map_or(host.to_owned(), |address| format!("{host}:{}", address.port()));
        let uri = http::Uri::builder().scheme(scheme).authority(authority).path_and_query(path).build();
        uri.unwrap_or_else(|error| panic!("not a URI of {scheme:?}, {host:?} and {path:?}: {error}"))
    }

    /// Every connection so far.
    #[must_use]
    pub fn log(&self) -> Vec<ConnectionLog> {
        self.log.read(<[ConnectionLog]>::to_vec)
    }

    /// The number of accepted connections.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.log.read(<[ConnectionLog]>::len)
    }

    /// The number of requests read whole, on all connections.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.log.read(|log| log.iter().map(|connection| connection.requests).sum())
    }

    /// Waits until `done` holds for the log. Has no timeout.
    pub async fn wait_until(&self, done: impl Fn(&[ConnectionLog]) -> bool) {
        self.log.wait_until(done).await;
    }

    /// Refuses new connections and closes the open ones, including those that hang.
    pub fn stop(&self) {
        self.stopped.open();
    }
}

impl Drop for ScriptedServer {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn accept(listener: TcpListener, scripts: Arc<dyn Scripts>, log: Log, stopped: Gate) {
    loop {
        let accepted = tokio::select! {
            () = stopped.wait() => return,
            accepted = listener.accept() => accepted,
        };
        // accept fails if the connection is already reset; such a connection does not count.
        let Ok((stream, peer)) = accepted else { continue };
        // With Nagle's algorithm, a response in pieces waits for the peer's delayed acknowledgement.
        let _ = stream.set_nodelay(true);
        let index = log.accept(Some(peer));
        let script = scripts.script(index);
        tokio::spawn(play(Transport::Plain(Raw::Tcp(stream)), script, log.clone(), index, stopped.clone()));
    }
}
