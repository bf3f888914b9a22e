//! A proxy that stops forwarding what the server sends, and keeps the connection open.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A proxy in front of one connection.
pub(crate) struct Proxy {
    address: SocketAddr,
    gate: Gate,
    /// True once the client has closed its connection.
    closed: watch::Receiver<bool>,
}

/// How many bytes the server may still send.
#[derive(Clone)]
pub(crate) struct Gate(Arc<AtomicUsize>);

impl Gate {
    pub(crate) fn stop_after(&self, bytes: usize) {
        self.0.store(bytes, Ordering::SeqCst);
    }

    /// How many of these bytes may pass.
    fn pass(&self, bytes: usize) -> usize {
        let take = |left: usize| Some(if left == usize::MAX { left } else { left.saturating_sub(bytes) });
        let left = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).unwrap_or_default();
        left.min(bytes)
    }
}

impl Proxy {
    pub(crate) async fn start(server: SocketAddr) -> io::Result<Proxy> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let (address, gate) = (listener.local_addr()?, Gate(Arc::new(AtomicUsize::new(usize::MAX))));
        let (closes, closed) = watch::channel(false);
        let forwarded = gate.clone();
        tokio::spawn(async move {
            let (client, _) = listener.accept().await?;
            forward(client, TcpStream::connect(server).await?, &forwarded, &closes).await
        });
        Ok(Proxy { address, gate, closed })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn gate(&self) -> Gate {
        self.gate.clone()
    }

    /// Waits until the client has closed its connection.
    pub(crate) async fn closed(mut self) {
        self.closed.wait_for(|closed| *closed).await.expect("the client closes its connection");
    }
}

async fn forward(
    client: TcpStream,
    server: TcpStream,
    gate: &Gate,
    closes: &watch::Sender<bool>,
) -> io::Result<()> {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let upstream = async {
        let mut bytes = [0; 4096];
        loop {
            // A reset is a close too.
            let read = from_client.read(&mut bytes).await.unwrap_or(0);
            if read == 0 {
                closes.send_replace(true);
                return io::Result::Ok(());
            }
            // The server may be gone.
            let _ = to_server.write_all(&bytes[..read]).await;
        }
    };
    let downstream = async {
        let mut bytes = [0; 4096];
        loop {
            let read = from_server.read(&mut bytes).await?;
            if read == 0 {
                return std::future::pending::<io::Result<()>>().await;
            }
            let passed = gate.pass(read);
            let _ = to_client.write_all(&bytes[..passed]).await;
        }
    };
    tokio::select! {
        result = upstream => result,
        result = downstream => result,
    }
}
