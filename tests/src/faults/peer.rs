//! A peer that speaks HTTP/2 until it plays a fault.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::gate::Gate;
use rustls::ServerConfig;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::frames::{ACK, CONTINUATION, DATA, END_STREAM, HEADERS, SETTINGS, frame};
use super::http2::{At, Step, answer};
use super::seen::Seen;

const PREFACE: usize = 24;
const HEAD: usize = 9;

/// Serves one connection. Dropping it closes the connection.
#[derive(Debug)]
pub struct Peer {
    /// Where it listens.
    pub address: SocketAddr,
    task: JoinHandle<()>,
    seen: Arc<Mutex<Seen>>,
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What the peer does.
#[derive(Debug)]
pub struct Plan {
    /// When it plays the fault.
    pub at: At,
    /// What it does then.
    pub steps: Vec<Step>,
    /// Answers a first request, so that the next one finds an open connection.
    pub reused: bool,
    /// The gate of its steps.
    pub gate: Gate,
}

impl Peer {
    /// Listens on loopback.
    ///
    /// # Panics
    /// If it cannot listen.
    pub async fn start(plan: Plan, tls: Option<Arc<ServerConfig>>) -> Peer {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::<Mutex<Seen>>::default();
        let log = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            let (tcp, _) = listener.accept().await.unwrap();
            // The client sees whatever ends the connection.
            let _ = serve(tcp, plan, tls, &log).await;
        });
        Peer { address, task, seen }
    }

    /// What the peer has read and written of the request that met the fault, once the connection has ended.
    ///
    /// # Panics
    /// If the peer has panicked.
    pub async fn seen(mut self) -> Seen {
        (&mut self.task).await.unwrap();
        *self.seen.lock().unwrap()
    }
}

async fn serve(
    tcp: TcpStream,
    plan: Plan,
    tls: Option<Arc<ServerConfig>>,
    seen: &Mutex<Seen>,
) -> io::Result<()> {
    // A duplicate of the socket, which has the same options.
    let socket = SockRef::from(&tcp).try_clone()?;
    let ended = match tls {
        None => Playing { io: tcp, plan: &plan, stream: 1, seen }.play().await,
        Some(config) => {
            let io = TlsAcceptor::from(config).accept(tcp).await?;
            Playing { io, plan: &plan, stream: 1, seen }.play().await
        }
    };
    match ended? {
        Some(Step::Reset) => SockRef::from(&socket).set_linger(Some(Duration::ZERO)),
        _ => Ok(()),
    }
}

/// A connection under way.
struct Playing<'a, I> {
    io: I,
    plan: &'a Plan,
    /// The stream of the request that meets the fault.
    stream: u32,
    seen: &'a Mutex<Seen>,
}

impl<I: AsyncRead + AsyncWrite + Unpin> Playing<'_, I> {
    /// Plays up to the step that ends the connection, if there is one. The caller then drops the connection.
    async fn play(mut self) -> io::Result<Option<Step>> {
        if self.plan.at == At::Accept {
            self.note(|seen| seen.blind = true);
            return self.steps().await;
        }
        let mut preface = [0; PREFACE];
        self.io.read_exact(&mut preface).await?;
        self.io.write_all(&frame(SETTINGS, 0, 0, &[])).await?;
        if self.plan.reused {
            self.request(At::Request).await?;
            self.io.write_all(&answer(1)).await?;
            self.stream = 3;
            self.note(|seen| *seen = Seen::default());
        }
        match self.plan.at {
            At::Idle => {
                self.note(|seen| seen.blind = true);
                self.plan.gate.wait().await;
            }
            at => self.request(at).await?,
        }
        let end = self.steps().await?;
        if end.is_none() {
            // Unread bytes would turn the close into a reset.
            while self.read_frame().await.is_ok() {}
        }
        Ok(end)
    }

    async fn steps(&mut self) -> io::Result<Option<Step>> {
        for step in &self.plan.steps {
            match step {
                Step::Write(bytes) => {
                    let bytes = bytes(self.stream);
                    if bytes.get(3) == Some(&HEADERS) {
                        self.note(|seen| seen.answered = true);
                    }
                    self.io.write_all(&bytes).await?;
                }
                Step::Gate => self.plan.gate.wait().await,
                Step::Open => self.plan.gate.open(),
                Step::Close => {
                    self.io.shutdown().await?;
                    return Ok(Some(*step));
                }
                Step::Reset => return Ok(Some(*step)),
            }
            self.io.flush().await?;
        }
        Ok(None)
    }

    /// Reads up to the request's end, or to the first bytes of its upload.
    async fn request(&mut self, at: At) -> io::Result<()> {
        loop {
            let (kind, flags) = self.read_frame().await?;
            match kind {
                SETTINGS if flags & ACK == 0 => self.io.write_all(&frame(SETTINGS, ACK, 0, &[])).await?,
                HEADERS | DATA if at == At::Request && flags & END_STREAM != 0 => return Ok(()),
                DATA if at == At::Head => return Ok(()),
                _ => {}
            }
        }
    }

    /// Its kind and flags.
    async fn read_frame(&mut self) -> io::Result<(u8, u8)> {
        let mut head = [0; HEAD];
        self.io.read_exact(&mut head).await?;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        self.io.read_exact(&mut payload).await?;
        let (kind, flags) = (head[3], head[4]);
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        if stream == self.stream && matches!(kind, HEADERS | CONTINUATION | DATA) {
            self.note(|seen| {
                seen.read += (HEAD + payload.len()) as u64;
                seen.whole |= kind != CONTINUATION && flags & END_STREAM != 0;
            });
        }
        Ok((kind, flags))
    }

    fn note(&self, what: impl FnOnce(&mut Seen)) {
        what(&mut self.seen.lock().unwrap());
    }
}
