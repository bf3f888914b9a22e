//! A peer that speaks HTTP/2 until it does harm.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use outbound_tests::gate::Gate;
use rustls::ServerConfig;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::frames::{ACK, DATA, END_STREAM, HEADERS, SETTINGS, frame};
use crate::http2::{At, Step, answer};

const PREFACE: usize = 24;

/// One connection is served; dropping it closes it.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What it is to do.
pub(crate) struct Plan {
    pub(crate) at: At,
    pub(crate) steps: Vec<Step>,
    /// Answers the request before the one in question.
    pub(crate) reused: bool,
    pub(crate) gate: Gate,
}

impl Peer {
    pub(crate) async fn start(plan: Plan, tls: Option<Arc<ServerConfig>>) -> Peer {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            let (tcp, _) = listener.accept().await.unwrap();
            // Whatever ends it, the client sees it.
            let _ = serve(tcp, plan, tls).await;
        });
        Peer { address, task }
    }
}

async fn serve(tcp: TcpStream, plan: Plan, tls: Option<Arc<ServerConfig>>) -> io::Result<()> {
    // A duplicate of the socket, which has the same options.
    let socket = SockRef::from(&tcp).try_clone()?;
    let ended = match tls {
        None => play(tcp, &plan).await,
        Some(config) => play(TlsAcceptor::from(config).accept(tcp).await?, &plan).await,
    };
    match ended? {
        Some(Step::Reset) => SockRef::from(&socket).set_linger(Some(Duration::ZERO)),
        Some(_) => Ok(()),
        None => std::future::pending().await,
    }
}

/// Plays to the step that ends the connection, if there is one; the caller then drops it.
async fn play<I: AsyncRead + AsyncWrite + Unpin>(mut io: I, plan: &Plan) -> io::Result<Option<Step>> {
    if plan.at == At::Accept {
        return steps(&mut io, plan, 0).await;
    }
    let mut preface = [0; PREFACE];
    io.read_exact(&mut preface).await?;
    io.write_all(&frame(SETTINGS, 0, 0, &[])).await?;
    let mut stream = 1;
    if plan.reused {
        request(&mut io, At::Request).await?;
        io.write_all(&answer(1)).await?;
        stream = 3;
    }
    match plan.at {
        At::Idle => plan.gate.wait().await,
        at => request(&mut io, at).await?,
    }
    let end = steps(&mut io, plan, stream).await?;
    if end.is_none() {
        // What the client still says is read, so that nothing is left unread at the end.
        while read_frame(&mut io).await.is_ok() {}
    }
    Ok(end)
}

async fn steps<I: AsyncWrite + Unpin>(io: &mut I, plan: &Plan, stream: u32) -> io::Result<Option<Step>> {
    for step in &plan.steps {
        match step {
            Step::Write(bytes) => io.write_all(&bytes(stream)).await?,
            Step::Gate => plan.gate.wait().await,
            Step::Open => plan.gate.open(),
            Step::Close => {
                io.shutdown().await?;
                return Ok(Some(*step));
            }
            Step::Reset => return Ok(Some(*step)),
        }
        io.flush().await?;
    }
    Ok(None)
}

/// Reads up to the request's end, or to the first bytes of its upload.
async fn request<I: AsyncRead + AsyncWrite + Unpin>(io: &mut I, at: At) -> io::Result<()> {
    loop {
        let (kind, flags) = read_frame(io).await?;
        match kind {
            SETTINGS if flags & ACK == 0 => io.write_all(&frame(SETTINGS, ACK, 0, &[])).await?,
            HEADERS | DATA if at == At::Request && flags & END_STREAM != 0 => return Ok(()),
            DATA if at == At::Head => return Ok(()),
            _ => {}
        }
    }
}

/// Its kind and flags.
async fn read_frame<I: AsyncRead + Unpin>(io: &mut I) -> io::Result<(u8, u8)> {
    let mut head = [0; 9];
    io.read_exact(&mut head).await?;
    let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
    io.read_exact(&mut payload).await?;
    Ok((head[3], head[4]))
}
