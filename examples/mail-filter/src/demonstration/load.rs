//! The callers: mail servers that ask for verdicts.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tower_outbound::settings::Settings;
use tower_outbound::timeouts::Timeouts;
use tower_outbound::{BoxError, Outbound, OutboundClient};

use super::ledger::{Ledger, Reply};

const CALLERS: usize = 16;
/// The pause of a caller between two messages, in milliseconds at most.
const PAUSE: u64 = 8;
/// More at once than any pool has.
const BURST: usize = 80;
const BETWEEN_BURSTS: Duration = Duration::from_millis(700);
/// An answer that takes longer is none.
const PATIENCE: Duration = Duration::from_secs(20);
/// One in so many is large.
const LARGE: u64 = 8;

/// All callers.
pub(super) struct Load(JoinSet<()>);

#[derive(Deserialize)]
struct Answer {
    verdict: Reply,
}

impl Load {
    /// Starts the callers, who send until the end.
    pub(super) fn start(service: SocketAddr, ledger: &Arc<Ledger>, end: Instant) -> Self {
        // Not observed, not limited; and a message that fails here has failed.
        let settings = Settings::new().max_connections_per_origin(0).max_idle_per_origin(200).max_retries(0);
        let outbound =
            Outbound::builder().timeouts(Timeouts::new().first_byte(PATIENCE)).settings(settings).build();
        let caller = Caller { client: outbound.client(), service, ledger: ledger.clone() };
        let mut callers = JoinSet::new();
        for number in 0..CALLERS {
            callers.spawn(caller.clone().work(number, end));
        }
        callers.spawn(caller.bursts(end));
        Self(callers)
    }

    /// Waits for every answer.
    pub(super) async fn end(mut self) {
        while self.0.join_next().await.is_some() {}
    }
}

#[derive(Clone)]
struct Caller {
    client: OutboundClient,
    service: SocketAddr,
    ledger: Arc<Ledger>,
}

impl Caller {
    async fn work(self, number: usize, end: Instant) {
        for message in 0.. {
            if Instant::now() >= end {
                return;
            }
            self.send(&format!("c{number}-{message}")).await;
            sleep(Duration::from_millis(fastrand::u64(0..=PAUSE))).await;
        }
    }

    async fn bursts(self, end: Instant) {
        for burst in 0.. {
            sleep(BETWEEN_BURSTS).await;
            if Instant::now() >= end {
                return;
            }
            let mut calls = JoinSet::new();
            for message in 0..BURST {
                let caller = self.clone();
                calls.spawn(async move { caller.send(&format!("b{burst}-{message}")).await });
            }
            while calls.join_next().await.is_some() {}
        }
    }

    /// Sends a message, and notes what comes back.
    async fn send(&self, name: &str) {
        let verdict = ["a", "a", "a", "r", "l"][fastrand::usize(0..5)];
        let id = format!("{name}-{verdict}");
        let size = match fastrand::u64(0..LARGE) {
            0 => fastrand::usize(20 << 10..100 << 10),
            _ => fastrand::usize(100..4 << 10),
        };
        let reply = timeout(PATIENCE, self.ask(&id, size)).await;
        self.ledger.reply(&id, size as u64, reply.ok().and_then(Result::ok));
    }

    async fn ask(&self, id: &str, size: usize) -> Result<Reply, BoxError> {
        let request =
            http::Request::post(format!("http://{}/messages", self.service)).header("x-message-id", id);
        let request = request.body(http_body_util::Full::new(Bytes::from(vec![b'.'; size])))?;
        let response = self.client.request(request).await?;
        Ok(response.into_body().json::<Answer>().await?.verdict)
    }
}
