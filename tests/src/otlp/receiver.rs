//! The receiver: two ports, and the received telemetry.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use std::{fmt, io};

use tokio::net::TcpStream;
use tokio::sync::oneshot;

use super::store::Store;
use super::{Metric, Span, grpc, http};

/// An OTLP receiver on two loopback ports, on its own thread. Dropping the receiver stops it.
pub struct Receiver {
    store: Arc<Store>,
    grpc: SocketAddr,
    http: SocketAddr,
    thread: Mutex<Option<(oneshot::Sender<()>, JoinHandle<()>)>>,
}

impl Receiver {
    /// Listens on two free ports.
    pub async fn start() -> io::Result<Receiver> {
        let (grpc_listener, http_listener) = (listen()?, listen()?);
        let (grpc, http) = (grpc_listener.local_addr()?, http_listener.local_addr()?);
        let store = Arc::new(Store::default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let shared = Arc::clone(&store);
        let thread = std::thread::Builder::new().name("otlp-receiver".into()).spawn(move || {
            runtime.block_on(async move {
                tokio::select! {
                    () = accept(grpc_listener, Arc::clone(&shared), grpc::serve) => {}
                    () = accept(http_listener, shared, http::serve) => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(Receiver { store, grpc, http, thread: Mutex::new(Some((stop, thread))) })
    }

    /// The endpoint for OTLP over gRPC.
    #[must_use]
    pub fn grpc_endpoint(&self) -> String {
        format!("http://{}", self.grpc)
    }

    /// The endpoint for OTLP over HTTP, without `/v1/traces` or `/v1/metrics`.
    #[must_use]
    pub fn http_endpoint(&self) -> String {
        format!("http://{}", self.http)
    }

    /// The address for OTLP over gRPC.
    #[must_use]
    pub fn grpc_address(&self) -> SocketAddr {
        self.grpc
    }

    /// The address for OTLP over HTTP.
    #[must_use]
    pub fn http_address(&self) -> SocketAddr {
        self.http
    }

    /// All received spans, in order of arrival.
    #[must_use]
    pub fn spans(&self) -> Vec<Span> {
        self.store.state().spans.clone()
    }

    /// Removes and returns all spans, and removes all payloads. It bounds the memory of long runs.
    #[must_use]
    pub fn take_spans(&self) -> Vec<Span> {
        let mut state = self.store.state();
        state.payloads.clear();
        std::mem::take(&mut state.spans)
    }

    /// The ids of all received spans in hex, without duplicates.
    #[must_use]
    pub fn span_ids(&self) -> BTreeSet<String> {
        self.store.state().spans.iter().map(Span::span_id).collect()
    }

    /// The latest state of every metric, by name; one entry for each resource and scope that sent it.
    #[must_use]
    pub fn metrics(&self) -> Vec<Metric> {
        self.store.state().metrics.values().cloned().collect()
    }

    /// The names of all received metrics.
    #[must_use]
    pub fn metric_names(&self) -> BTreeSet<String> {
        self.store.state().metrics.keys().map(|(name, ..)| name.clone()).collect()
    }

    /// The numbers of received export requests: (traces, metrics).
    #[must_use]
    pub fn requests(&self) -> (usize, usize) {
        let state = self.store.state();
        (state.trace_requests, state.metric_requests)
    }

    /// Whether any received payload contains `needle`.
    #[must_use]
    pub fn bytes_contain(&self, needle: &str) -> bool {
        let needle = needle.as_bytes();
        needle.is_empty()
            || self
                .store
                .state()
                .payloads
                .iter()
                .any(|payload| payload.windows(needle.len()).any(|window| window == needle))
    }

    /// Waits until `done` holds, at most for `limit`. Returns whether it holds. `done` runs after each export.
    ///
    /// The receiver runs on another thread: under a paused clock `limit` passes at once.
    pub async fn wait_for(&self, done: impl Fn(&Receiver) -> bool, limit: Duration) -> bool {
        let wait = async {
            loop {
                let mut changed = pin!(self.store.changed.notified());
                changed.as_mut().enable();
                if done(self) {
                    return;
                }
                changed.await;
            }
        };
        tokio::time::timeout(limit, wait).await.is_ok()
    }

    /// Closes both ports and all connections. The received telemetry stays.
    pub fn stop(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((stop, thread)) = thread {
            let _ = stop.send(());
            let _ = thread.join();
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("grpc", &self.grpc).field("http", &self.http).finish_non_exhaustive()
    }
}

fn listen() -> io::Result<TcpListener> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Returns only if the listener fails. The runtime's drop closes the connections.
async fn accept<F>(listener: TcpListener, store: Arc<Store>, serve: impl Fn(TcpStream, Arc<Store>) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(serve(stream, Arc::clone(&store)))),
            // accept fails if the connection is already reset.
            Err(_) => tokio::task::yield_now().await,
        }
    }
}
