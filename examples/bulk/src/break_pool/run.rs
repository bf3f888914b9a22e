//! One run: workers send one request after another, and the pool breaks.

use std::io;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::Uri;
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};
use tower_outbound::{Kind, Outbound, OutboundClient};

use super::server::Server;
use super::{
    ACQUIRE_TIMEOUT, BREAK_AT, CONNECTIONS, END, RECOVER_AFTER, RESET_AT, SILENT_AFTER, SLICE, WORKERS,
};

/// What is done about the broken pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    Recovery,
    Reset,
    Neither,
}

/// Times are in seconds.
#[derive(Debug, Serialize)]
pub(super) struct Run {
    /// Answers in each slice of time.
    pub(super) answers: Vec<u64>,
    /// From the break until there are half as many answers as before; `None` if that did not come.
    pub(super) back_after_break_s: Option<f64>,
    /// The same, from the call of `reset()`.
    pub(super) back_after_call_s: Option<f64>,
    pub(super) pool_timeouts: u64,
    /// Requests that had no answer when their connections were closed.
    pub(super) cut: u64,
    pub(super) failed_otherwise: u64,
    pub(super) connections_opened: u64,
    /// The most connections that the server had at a time.
    pub(super) connections_at_most: u64,
}

#[derive(Debug, Default)]
struct Tally {
    answers: Mutex<Vec<u64>>,
    pool_timeouts: AtomicU64,
    cut: AtomicU64,
    failed_otherwise: AtomicU64,
}

impl Run {
    pub(super) async fn of(remedy: Remedy) -> io::Result<Run> {
        let server = Server::start().await?;
        let uri: Uri = format!("http://{}/", server.address).parse().map_err(io::Error::other)?;
        let outbound = Outbound::builder()
            .recover_after(if remedy == Remedy::Recovery { RECOVER_AFTER } else { 0 })
            .build();
        let pool = outbound.client_builder().pool(|pool| {
            let pool = pool.max_connections_per_origin(CONNECTIONS).max_idle_per_origin(CONNECTIONS);
            pool.acquire_timeout(ACQUIRE_TIMEOUT).silent_after(SILENT_AFTER)
        });
        let client = pool.build();

        let tally = Arc::new(Tally::default());
        let start = Instant::now();
        let mut workers = JoinSet::new();
        for _ in 0..WORKERS {
            let work = work(client.clone(), uri.clone(), tally.clone(), start);
            workers.spawn(timeout_at(start + END, work));
        }
        sleep_until(start + BREAK_AT).await;
        server.break_connections();
        let broken = start.elapsed();
        let mut called = None;
        if remedy == Remedy::Reset {
            sleep_until(start + RESET_AT).await;
            called = Some(start.elapsed());
            outbound.reset();
        }
        // Before the workers are dropped, and with them what they do.
        sleep_until(start + END - SLICE / 2).await;
        let (connections_opened, connections_at_most) = server.connections();
        workers.join_all().await;

        let mut answers = tally.answers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        answers.resize((END.as_millis() / SLICE.as_millis()) as usize, 0);
        let back = back(&answers);
        let since = |at: Duration| Some((back?.saturating_sub(at)).as_secs_f64());
        Ok(Run {
            back_after_break_s: since(broken),
            back_after_call_s: called.and_then(since),
            answers,
            pool_timeouts: tally.pool_timeouts.load(Relaxed),
            cut: tally.cut.load(Relaxed),
            failed_otherwise: tally.failed_otherwise.load(Relaxed),
            connections_opened,
            connections_at_most,
        })
    }
}

async fn work(client: OutboundClient, uri: Uri, tally: Arc<Tally>, start: Instant) {
    loop {
        let answer = async { client.post(uri.clone(), "order").await?.into_body().bytes().await };
        let kind = answer.await.err().map(|error| error.failure().kind());
        let counter = match kind {
            None => {
                let slice = (start.elapsed().as_millis() / SLICE.as_millis()) as usize;
                let mut answers = tally.answers.lock().unwrap_or_else(PoisonError::into_inner);
                if answers.len() <= slice {
                    answers.resize(slice + 1, 0);
                }
                answers[slice] += 1;
                continue;
            }
            Some(Kind::PoolTimeout) => &tally.pool_timeouts,
            Some(Kind::ConnectionAborted) => &tally.cut,
            Some(_) => &tally.failed_otherwise,
        };
        counter.fetch_add(1, Relaxed);
    }
}

/// When the first slice ends, after the pool was silent, that has half as many answers as one before the break.
fn back(answers: &[u64]) -> Option<Duration> {
    let broken = (BREAK_AT.as_millis() / SLICE.as_millis()) as usize;
    // Not the first slices: the connections are opened in them.
    let before = &answers[broken / 2..broken];
    let usual = before.iter().sum::<u64>() / before.len() as u64;
    let silent = (broken..answers.len()).find(|slice| answers[*slice] == 0)?;
    let back = (silent..answers.len()).find(|slice| answers[*slice] * 2 >= usual)?;
    Some(SLICE * (back as u32 + 1))
}
