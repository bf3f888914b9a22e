//! The upstream on gRPC, and the server that it runs on, which can be ended and started again.

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

/// What it takes to look a price up.
const LOOKUP: Duration = Duration::from_millis(5);

/// Its routes, for a [`Restartable`].
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

/// A server for routes of axum or tonic, on HTTP/1 and HTTP/2; it lives as long as the process unless it is ended.
pub(crate) struct Restartable {
    address: SocketAddr,
    end: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Restartable {
    /// Listens there; each connection is served by the routes that are made for it.
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
                    // An accept fails for a connection that is gone already, or for a moment.
                    tcp = upstream::accept(&listener) => if let Ok(tcp) = tcp {
                        connections.spawn(upstream::serve(tcp, routes()));
                    },
                    Some(_) = connections.join_next() => {}
                    () = ended.notified() => break,
                }
            }
            // In this order, so that nobody connects to what is about to end.
            drop(listener);
            connections.shutdown().await;
        });
        Ok(Restartable { address, end, task })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes the listener and every connection, wherever its requests are.
    pub(crate) async fn end(self) {
        self.end.notify_one();
        let _ = self.task.await;
    }
}
