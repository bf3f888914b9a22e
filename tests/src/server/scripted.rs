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

/// Plays a [`Script`](super::Script) on each connection and logs what it saw; dropping it stops it.
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

    /// Serves whoever uses the connector, without sockets: everything happens on the (paused) clock's runtime.
    #[must_use]
    pub fn duplex(scripts: impl Scripts) -> (ScriptedServer, DuplexConnector) {
        let server = ScriptedServer { address: None, log: Log::default(), stopped: Gate::new() };
        let connector = DuplexConnector::new(Arc::new(scripts), server.log.clone(), server.stopped.clone());
        (server, connector)
    }

    /// Its address on TCP.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// `http://127.0.0.1:PORT` and the path.
    #[must_use]
    pub fn uri(&self, path: &str) -> http::Uri {
        self.uri_with("http", "127.0.0.1", path)
    }

    /// The same with another scheme and host name. Over duplex there is no port, and no host name matters.
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

    /// How many connections were accepted.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.log.read(<[ConnectionLog]>::len)
    }

    /// How many requests were read whole, on all connections.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.log.read(|log| log.iter().map(|connection| connection.requests).sum())
    }

    /// Waits until the log is such that `done` holds. Without a limit: the test's own, if it wants one.
    pub async fn wait_until(&self, done: impl Fn(&[ConnectionLog]) -> bool) {
        self.log.wait_until(done).await;
    }

    /// Refuses new connections and closes the open ones, hanging ones too.
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
        // A connection that was reset before it was accepted does not count.
        let Ok((stream, peer)) = accepted else { continue };
        // Without it a response in pieces waits for the peer's delayed acknowledgement.
        let _ = stream.set_nodelay(true);
        let index = log.accept(Some(peer));
        let script = scripts.script(index);
        tokio::spawn(play(Transport::Plain(Raw::Tcp(stream)), script, log.clone(), index, stopped.clone()));
    }
}
