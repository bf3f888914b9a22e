//! The gRPC upstream, and a server that can be stopped and started again.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

use crate::rpc::prices_server::{Prices, PricesServer};
use crate::rpc::{Item, Price};
use crate::upstream;

/// Duration of a lookup.
const LOOKUP: Duration = Duration::from_millis(5);

/// The routes of the upstream, for a [`Restartable`].
pub(crate) fn routes() -> Router {
    Routes::new(PricesServer::new(List)).into_axum_router()
}

struct List;

#[tonic::async_trait]
impl Prices for List {
    async fn price(&self, request: Request<Item>) -> Result<Response<Price>, Status> {
        let seen = request.metadata().get("traceparent").and_then(|seen| seen.to_str().ok());
        let seen = seen.unwrap_or_default().to_owned();
        sleep(LOOKUP).await;
        Ok(Response::new(Price { cents: 250, seen }))
    }
}

/// A server for routes of axum or tonic, on HTTP/1 and HTTP/2. It runs until [`end`](Self::end).
pub(crate) struct Restartable {
    address: SocketAddr,
    end: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Restartable {
    /// Listens on the address. `routes` makes the routes of each connection.
    pub(crate) async fn start(
        address: SocketAddr,
        mut routes: impl FnMut() -> Router + Send + 'static,
    ) -> io::Result<Restartable> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let end = Arc::new(Notify::new());
        let ended = Arc::clone(&end);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    // accept fails if the connection is already gone; the next one may succeed.
                    tcp = upstream::accept(&listener) => if let Ok(tcp) = tcp {
                        connections.spawn(upstream::serve(tcp, routes()));
                    },
                    Some(_) = connections.join_next() => {}
                    () = ended.notified() => break,
                }
            }
            // First, so that no new connection is accepted.
            drop(listener);
            connections.shutdown().await;
        });
        Ok(Restartable { address, end, task })
    }

    /// The address of the server.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes the listener and all connections, with their requests.
    pub(crate) async fn end(self) {
        self.end.notify_one();
        let _ = self.task.await;
    }
}
