//! A server whose connections can go silent. New ones are answered.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

/// What a request takes.
const WORK: Duration = Duration::from_millis(10);

/// Far longer than it takes to learn that a connection was closed; far shorter than a connection lives.
const NOTICE: Duration = Duration::from_millis(50);

/// Runs until the runtime ends.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    broken: AtomicBool,
    opened: AtomicU64,
    open: AtomicU64,
    most: AtomicU64,
}

impl Server {
    pub(super) async fn start() -> io::Result<Server> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        tokio::spawn(accept(listener, shared.clone()));
        Ok(Server { address, shared })
    }

    /// Nothing more is sent on the connections that are open.
    pub(super) fn break_connections(&self) {
        self.shared.broken.store(true, Ordering::SeqCst);
    }

    /// How many connections were opened, and how many were open at a time at most.
    pub(super) fn connections(&self) -> (u64, u64) {
        (self.shared.opened.load(Ordering::SeqCst), self.shared.most.load(Ordering::SeqCst))
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((tcp, _)) = listener.accept().await else { continue };
        let _ = tcp.set_nodelay(true);
        tokio::spawn(serve(tcp, shared.clone()));
    }
}

async fn serve(tcp: TcpStream, shared: Arc<Shared>) {
    shared.opened.fetch_add(1, Ordering::SeqCst);
    shared.open.fetch_add(1, Ordering::SeqCst);
    let counted = shared.clone();
    tokio::spawn(async move {
        // What the client has closed before is not open, although the server may learn it only now.
        sleep(NOTICE).await;
        counted.most.fetch_max(counted.open.load(Ordering::SeqCst), Ordering::SeqCst);
    });
    // One that is opened after the break is answered.
    let goes_silent = !shared.broken.load(Ordering::SeqCst);
    let service = service_fn(|request| answer(request, &shared, goes_silent));
    let _ = http1::Builder::new().serve_connection(TokioIo::new(tcp), service).await;
    shared.open.fetch_sub(1, Ordering::SeqCst);
}

async fn answer(
    request: Request<Incoming>,
    shared: &Shared,
    goes_silent: bool,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    request.into_body().collect().await?;
    sleep(WORK).await;
    if goes_silent && shared.broken.load(Ordering::SeqCst) {
        std::future::pending::<()>().await;
    }
    Ok(Response::new(Full::from("done\n")))
}
