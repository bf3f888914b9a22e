//! The peer of a scene: it plays the faults of the plan and logs what it reads.

mod hpack;
mod http1;
mod http2;
mod line;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rustls::ServerConfig;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsAcceptor;

use self::line::Line;
use super::fault::{AtAccept, Fault};
use super::log::{Log, PeerConnection, PeerEnd};
use super::plan::{Scene, Step};
use crate::gate::Gate;

/// How long a peer waits for the end of a client that it has stopped to serve.
const PATIENCE: Duration = Duration::from_secs(5);

/// Listens on loopback until it is stopped.
#[derive(Debug)]
pub(super) struct Peer {
    /// Where it listens.
    pub(super) address: SocketAddr,
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    scene: Arc<Scene>,
    tls: Option<Arc<ServerConfig>>,
    log: Log,
    /// Whether the fault of a step was played.
    played: Vec<AtomicBool>,
    accepted: AtomicUsize,
    stopped: Gate,
    /// Opened when the ends of connections are not waited for any more.
    left: Gate,
}

impl Shared {
    /// What to do with a request: its step, with the fault if no attempt of it was read before.
    fn step(&self, number: usize) -> Option<Step> {
        let mut step = self.scene.steps.get(number)?.clone();
        if self.played.get(number)?.swap(true, Ordering::AcqRel) {
            step.fault = Fault::None;
        }
        Some(step)
    }
}

impl Peer {
    /// A peer that speaks the version of the scene's client.
    ///
    /// # Errors
    /// If it cannot listen.
    pub(super) async fn start(scene: &Arc<Scene>, tls: Option<Arc<ServerConfig>>) -> io::Result<Peer> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            scene: Arc::clone(scene),
            tls,
            log: Log::default(),
            played: scene.steps.iter().map(|_| AtomicBool::new(false)).collect(),
            accepted: AtomicUsize::new(0),
            stopped: Gate::new(),
            left: Gate::new(),
        });
        let task = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Peer { address, shared, task })
    }

    /// Accepts no more, waits for the ends of all connections, so long at most, and returns their log.
    pub(super) async fn finish(mut self, patience: Duration) -> Vec<PeerConnection> {
        self.shared.stopped.open();
        if timeout(patience, &mut self.task).await.is_err() {
            self.shared.left.open();
            // The task ends after all connections.
            let _ = self.task.await;
        }
        self.shared.log.take()
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            // What the kernel has accepted is served.
            biased;
            accepted = listener.accept() => accepted,
            () = shared.stopped.wait() => break,
        };
        let Ok((stream, from)) = accepted else { continue };
        let number = shared.accepted.fetch_add(1, Ordering::Relaxed);
        connections.spawn(serve(stream, from.port(), number, Arc::clone(&shared)));
        while connections.try_join_next().is_some() {}
    }
    while connections.join_next().await.is_some() {}
}

async fn serve(stream: TcpStream, port: u16, number: usize, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    let mut connection = PeerConnection {
        port,
        number,
        http2: shared.scene.client.http2,
        read: 0,
        written: 0,
        requests: Vec::new(),
        goodbye: None,
        garbage: false,
        end: PeerEnd::Client,
        end_at: Instant::now(),
        to_the_end: false,
    };
    // A duplicate of the socket, which has the same options.
    let Ok(socket) = SockRef::from(&stream).try_clone() else { return };
    let at_accept = shared.scene.at_accept(number);
    if at_accept == AtAccept::Reset {
        let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
        drop((socket, stream));
        connection.end = PeerEnd::Reset;
        return shared.log.push(connection);
    }
    match &shared.tls {
        Some(config) if at_accept == AtAccept::Serve => {
            match TlsAcceptor::from(Arc::clone(config)).accept(stream).await {
                Ok(io) => play(Line::new(io, connection), socket, &shared, at_accept).await,
                Err(_) => {
                    (connection.end, connection.end_at) = (PeerEnd::Handshake, Instant::now());
                    shared.log.push(connection);
                }
            }
        }
        _ => play(Line::new(stream, connection), socket, &shared, at_accept).await,
    }
}

async fn play<I>(mut line: Line<I>, socket: socket2::Socket, shared: &Shared, at_accept: AtAccept)
where
    I: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    if at_accept == AtAccept::Close {
        line.close().await;
    }
    let serving = async {
        match line.connection.http2 {
            true => http2::serve(&mut line, shared).await,
            false => http1::serve(&mut line, shared).await,
        }
    };
    let over = tokio::select! {
        () = serving => true,
        () = shared.left.wait() => false,
    };
    if !over {
        (line.connection.end, line.connection.end_at) = (PeerEnd::Open, Instant::now());
    }
    let Line { io, connection, .. } = line;
    if connection.end == PeerEnd::Reset {
        let _ = SockRef::from(&socket).set_linger(Some(Duration::ZERO));
    }
    drop((socket, io));
    shared.log.push(connection);
}
