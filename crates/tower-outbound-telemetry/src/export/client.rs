//! Delivers messages: attempts, backoff and timeouts.

use std::error::Error as StdError;
use std::time::Duration;

use prost::Message;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tower_outbound::{BoxError, Class, Failure, Kind, Phase};

use super::answer::{Again, Answer};
use super::health::Health;
use super::transport::Transport;
use crate::Loss;

/// Backoff before the second attempt. Doubles up to `LONGEST_WAIT`, plus up to a fifth at random.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_millis(1_600);

/// When the shutdown's time is up: set once, when the shutdown begins.
pub(super) type Cutoff = watch::Receiver<Option<Instant>>;

/// Delivers messages of one signal.
#[derive(Debug)]
pub(super) struct ExportClient {
    pub(super) transport: Transport,
    pub(super) health: Health,
    /// The timeout of one message with all its attempts.
    pub(super) timeout: Duration,
    pub(super) cutoff: Cutoff,
}

impl ExportClient {
    /// Delivers one message, with retries. Returns the number of rejected items, or the reason of the loss.
    ///
    /// Retries also without an acknowledgement, as OTLP requires: spans and cumulative points that arrive twice are the same.
    pub(super) async fn deliver(&self, message: &impl Message) -> Result<u64, Loss> {
        let message = self.transport.prepare(message);
        let end_by = Instant::now() + self.timeout;
        let mut wait = FIRST_WAIT;
        let mut so_far = Loss::TimedOut;
        loop {
            let attempt = timeout_at(end_by, self.transport.send(message.clone()));
            let Some(attempt) = self.before_the_end(attempt).await else { return Err(so_far) };
            let (loss, again) = match attempt {
                Ok(Ok(Answer::Taken { rejected })) => {
                    self.health.works();
                    return Ok(rejected);
                }
                Ok(Ok(Answer::Refused { said, again })) => {
                    self.health.fails(&said);
                    (Loss::Rejected, again)
                }
                Ok(Err(error)) => {
                    self.health.fails(&chain(&*error));
                    (loss(&error), Again::After(None))
                }
                Err(_) => {
                    self.health.fails("no answer in time");
                    return Err(Loss::TimedOut);
                }
            };
            let Again::After(asked) = again else { return Err(loss) };
            // During a shutdown, do not wait for a receiver that refuses connections.
            if loss == Loss::Refused && self.is_ending() {
                return Err(loss);
            }
            let pause = asked.unwrap_or_default().max(wait.mul_f64(1.0 + fastrand::f64() / 5.0));
            // Do not begin a backoff that ends too late.
            if Instant::now().checked_add(pause).is_none_or(|end| end >= end_by) {
                return Err(loss);
            }
            if self.before_the_end(self.rest(pause)).await.is_none() {
                return Err(loss);
            }
            (wait, so_far) = ((wait * 2).min(LONGEST_WAIT), loss);
        }
    }

    /// Waits; returns at once when a shutdown begins.
    async fn rest(&self, pause: Duration) {
        let mut cutoff = self.cutoff.clone();
        tokio::select! {
            () = sleep(pause) => {}
            _ = cutoff.wait_for(Option::is_some), if !self.is_ending() => {}
        }
    }

    /// `None` if the shutdown's time is up before.
    async fn before_the_end<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let mut cutoff = self.cutoff.clone();
        tokio::select! {
            biased;
            () = passed(&mut cutoff) => None,
            done = future => Some(done),
        }
    }

    /// Whether the shutdown's time is up.
    pub(super) fn has_ended(&self) -> bool {
        self.cutoff.borrow().is_some_and(|end| Instant::now() >= end)
    }

    fn is_ending(&self) -> bool {
        self.cutoff.borrow().is_some()
    }
}

/// Completes when the shutdown's time is up.
async fn passed(cutoff: &mut Cutoff) {
    let end = cutoff.wait_for(Option::is_some).await.ok().and_then(|end| *end);
    match end {
        Some(end) => sleep_until(end).await,
        // The pipeline is gone without a shutdown.
        None => std::future::pending().await,
    }
}

fn loss(error: &BoxError) -> Loss {
    let failure = Failure::of(&**error);
    match (failure.class(), failure.phase(), failure.kind()) {
        (Some(Class::Timeout), ..) => Loss::TimedOut,
        (Some(Class::ConnectionRefused), ..)
        | (_, Some(Phase::Dns | Phase::Tcp | Phase::Tunnel | Phase::Tls), _)
        | (_, _, Kind::NameResolution | Kind::SecureConnection | Kind::Connection) => Loss::Refused,
        _ => Loss::Broken,
    }
}

/// The error and its sources, each message once, outermost first.
fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let level = error.to_string();
        if !text.contains(&level) {
            text.push_str(": ");
            text.push_str(&level);
        }
        next = error.source();
    }
    text
}
