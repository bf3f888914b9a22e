//! The upstreams that restart, each with its own log.

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

/// Outside the range of ephemeral ports: a port that a client uses meanwhile could not be bound again.
const PORTS: std::ops::Range<u16> = 20_000..30_000;
/// Some ports are in use.
const TRIES: usize = 20;
/// The downtime of a restart, in milliseconds.
const DOWN: std::ops::Range<u64> = 0..300;
const LOG: &str = "attempts.log";
const FORMAT: &str = "log_format attempts '$connection $http_traceparent';";
/// The body is slow, so that restarts interrupt it.
const SERVER: &str = "access_log attempts.log attempts; add_header x-traceparent-seen $http_traceparent;
    location = /fast { return 200 'fast'; }
    location = /body/60k { alias html/60k; limit_rate 1m; }";

/// An upstream that restarts on the same port.
pub(super) struct Upstream {
    pub(super) name: &'static str,
    pub(super) restarts: u32,
    /// Kills of nginx, whose log may then lack its last line.
    pub(super) kills: u64,
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
    /// nginx, or an axum server in this process if nginx is not installed.
    pub(super) async fn http() -> io::Result<Upstream> {
        let (kind, name) = match NGINX.find() {
            Some(_) => (Kind::Nginx, "nginx"),
            None => (Kind::Http, "axum"),
        };
        Upstream::new(kind, name).await
    }

    /// A tonic server in this process.
    pub(super) async fn grpc() -> io::Result<Upstream> {
        Upstream::new(Kind::Grpc, "tonic").await
    }

    async fn new(kind: Kind, name: &'static str) -> io::Result<Upstream> {
        let mut last = io::Error::other("no port");
        for _ in 0..TRIES {
            // Not from the seed, so that two soaks at once rarely choose the same port.
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, fastrand::u16(PORTS)));
            let mut upstream =
                Upstream { name, restarts: 0, kills: 0, ledger: Arc::default(), kind, address, server: None };
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

    /// Whether the upstream counts every accepted connection, not only those with a request.
    pub(super) fn counts_connections(&self) -> bool {
        self.kind != Kind::Nginx
    }

    /// Stops the upstream and starts it again after a pause.
    pub(super) async fn restart(&mut self, random: &mut fastrand::Rng) -> io::Result<()> {
        self.end(random.bool()).await?;
        sleep(Duration::from_millis(random.u64(DOWN))).await;
        self.restarts += 1;
        self.start().await
    }

    /// Stops the upstream by SIGTERM or SIGKILL, and reads its log.
    pub(super) async fn end(&mut self, kill: bool) -> io::Result<()> {
        match self.server.take() {
            None => {}
            Some(Server::Own(server)) => server.end().await,
            Some(Server::Nginx(mut nginx)) => {
                match kill {
                    true => {
                        nginx.daemon().crash()?;
                        self.kills += 1;
                    }
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
