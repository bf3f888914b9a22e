//! The thread's main task: the port, its listener and the open connections.

use std::future::pending;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;

use super::{Command, Fault, Shared, connection};

/// A reserved port, whether or not the front listens on it.
pub(super) struct Port {
    address: SocketAddr,
    // Bound and never listening: alone it refuses connections.
    _claim: TcpSocket,
}

impl Port {
    pub(super) fn claim() -> io::Result<Port> {
        let claim = bound((Ipv4Addr::LOCALHOST, 0).into())?;
        Ok(Port { address: claim.local_addr()?, _claim: claim })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    fn listen(&self) -> io::Result<TcpListener> {
        bound(self.address)?.listen(1024)
    }
}

fn bound(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    // Lets the claim and the listener share the port.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// Serves until the command channel closes. The runtime's drop closes the connections.
pub(super) async fn run(port: Port, shared: Arc<Shared>, mut commands: UnboundedReceiver<Command>) {
    let mut listener = None;
    // Each task that must end with its connection holds a receiver.
    let closing = watch::Sender::new(());
    loop {
        let accepting = shared.state().fault != Fault::Silent;
        tokio::select! {
            // Biased: a new fault applies to every later connection.
            biased;
            command = commands.recv() => {
                let Some((fault, done)) = command else { return };
                shared.update(|state| state.fault = fault);
                let applied = apply(fault, &port, &mut listener);
                if matches!(fault, Fault::Refused | Fault::Silent) {
                    closing.send_replace(());
                    closing.closed().await;
                }
                // The caller may have been dropped.
                let _ = done.send(applied);
            }
            stream = accept(listener.as_ref()), if accepting => {
                tokio::spawn(connection::serve(stream, Arc::clone(&shared), closing.subscribe()));
            }
        }
    }
}

fn apply(fault: Fault, port: &Port, listener: &mut Option<TcpListener>) -> io::Result<()> {
    match fault {
        Fault::Refused => *listener = None,
        _ if listener.is_none() => *listener = Some(port.listen()?),
        _ => {}
    }
    Ok(())
}

async fn accept(listener: Option<&TcpListener>) -> TcpStream {
    let Some(listener) = listener else { return pending().await };
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            // accept fails if the connection is already reset.
            Err(_) => tokio::task::yield_now().await,
        }
    }
}
