//! The upstreams that are restarted, each with a log of its own.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use outbound_tests::peers::{NGINX, Nginx};
use tokio::time::sleep;

use super::ledger::Ledger;
use crate::prices::{self, Restartable};
use crate::upstream;

/// The system gives these to nobody who only connects: such a port could not be bound again.
const PORTS: std::ops::Range<u16> = 20_000..30_000;
/// Some of them are taken.
const TRIES: usize = 20;
/// While it is down, in milliseconds.
const DOWN: std::ops::Range<u64> = 0..300;
const LOG: &str = "attempts.log";
const FORMAT: &str = "log_format attempts '$connection $http_traceparent';";
/// A body that takes a while, so that restarts find it on its way.
const SERVER: &str = "access_log attempts.log attempts; add_header x-traceparent-seen $http_traceparent;
    location = /fast { return 200 'fast'; }
    location = /body/60k { alias html/60k; limit_rate 1m; }";

/// An upstream that is restarted, on one port for all its lives.
pub(super) struct Upstream {
    pub(super) name: &'static str,
    pub(super) restarts: u32,
    pub(super) ledger: Arc<Mutex<Ledger>>,
    kind: Kind,
    address: SocketAddr,
    server: Option<Server>,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Nginx,
    Http,
    Grpc,
}

enum Server {
    Nginx(Nginx),
    Own(Restartable),
}

impl Upstream {
    /// nginx, or where there is none axum's routes in this process.
    pub(super) async fn http() -> io::Result<Upstream> {
        let (kind, name) = match NGINX.find() {
            Some(_) => (Kind::Nginx, "nginx"),
            None => (Kind::Http, "axum"),
        };
        Upstream::new(kind, name).await
    }

    /// tonic's, in this process.
    pub(super) async fn grpc() -> io::Result<Upstream> {
        Upstream::new(Kind::Grpc, "tonic").await
    }

    async fn new(kind: Kind, name: &'static str) -> io::Result<Upstream> {
        let mut last = io::Error::other("no port");
        for _ in 0..TRIES {
            // By chance and not by seed: two that run at once are to meet as seldom as possible.
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, fastrand::u16(PORTS)));
            let mut upstream =
                Upstream { name, restarts: 0, ledger: Arc::default(), kind, address, server: None };
            match upstream.start().await {
                Ok(()) => return Ok(upstream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether its log has every connection that it accepted, and not only those with a request.
    pub(super) fn counts_connections(&self) -> bool {
        self.kind != Kind::Nginx
    }

    /// Ends it, and starts it again after a while.
    pub(super) async fn restart(&mut self, random: &mut fastrand::Rng) -> io::Result<()> {
        self.end(random.bool()).await?;
        sleep(Duration::from_millis(random.u64(DOWN))).await;
        self.restarts += 1;
        self.start().await
    }

    /// Ends it, asked to or killed; its log is whole then.
    pub(super) async fn end(&mut self, kill: bool) -> io::Result<()> {
        match self.server.take() {
            None => {}
            Some(Server::Own(server)) => server.end().await,
            Some(Server::Nginx(mut nginx)) => {
                match kill {
                    true => nginx.daemon().crash()?,
                    false => nginx.daemon().end().await?,
                }
                let log = nginx.daemon().read(LOG);
                let mut ledger = ledger(&self.ledger);
                for (connection, traceparent) in log.lines().filter_map(|line| line.split_once(' ')) {
                    let connection = connection.parse().map_err(io::Error::other)?;
                    ledger.logged((self.restarts, connection), traceparent);
                }
            }
        }
        Ok(())
    }

    async fn start(&mut self) -> io::Result<()> {
        self.server = Some(match self.kind {
            Kind::Nginx => {
                let config = Nginx::config(SERVER).http(FORMAT).file("html/60k", &".".repeat(60_000));
                Server::Nginx(config.address(self.address).start().await?)
            }
            Kind::Http => Server::Own(self.own(upstream::routes).await?),
            Kind::Grpc => Server::Own(self.own(prices::routes).await?),
        });
        Ok(())
    }

    async fn own(&self, routes: fn() -> Router) -> io::Result<Restartable> {
        let (account, life) = (Arc::clone(&self.ledger), self.restarts);
        let start = Restartable::start(self.address, move || {
            let account = Arc::clone(&account);
            let number = {
                let mut ledger = ledger(&account);
                ledger.accepted += 1;
                ledger.accepted
            };
            routes().layer(middleware::from_fn(move |request: Request, next: Next| {
                let traceparent = request.headers().get("traceparent").and_then(|value| value.to_str().ok());
                ledger(&account).logged((life, number), traceparent.unwrap_or("-"));
                next.run(request)
            }))
        });
        start.await
    }
}

pub(super) fn ledger(ledger: &Mutex<Ledger>) -> MutexGuard<'_, Ledger> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}
