//! Delivers one message: attempts, waits between them, and the time that all of it may take.

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

/// The wait before the second attempt; it doubles up to the longest, each with a random part of a fifth.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_millis(1_600);

/// When everything must have ended: set once, by the shutdown.
pub(super) type Cutoff = watch::Receiver<Option<Instant>>;

/// Delivers messages of one signal.
#[derive(Debug)]
pub(super) struct ExportClient {
    pub(super) transport: Transport,
    pub(super) health: Health,
    /// For one message with all its attempts.
    pub(super) timeout: Duration,
    pub(super) cutoff: Cutoff,
}

impl ExportClient {
    /// How many of it the receiver rejected, or why it has none: at the end of a shutdown, what was so far.
    ///
    /// It is sent again where no acknowledgement came, as OTLP asks: a span and a cumulative point are the same
    /// when they arrive twice.
    pub(super) async fn deliver(&self, message: &impl Message) -> Result<u64, Loss> {
        let message = self.transport.prepare(message);
        let limit = Instant::now() + self.timeout;
        let mut wait = FIRST_WAIT;
        let mut so_far = Loss::TimedOut;
        loop {
            let attempt = timeout_at(limit, self.transport.send(message.clone()));
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
            // When everything ends, nobody is going to listen there in time.
            if loss == Loss::Refused && self.is_ending() {
                return Err(loss);
            }
            let pause = asked.unwrap_or_default().max(wait.mul_f64(1.0 + fastrand::f64() / 5.0));
            // A wait that does not end in time is not begun.
            if Instant::now().checked_add(pause).is_none_or(|end| end >= limit) {
                return Err(loss);
            }
            if self.before_the_end(self.rest(pause)).await.is_none() {
                return Err(loss);
            }
            (wait, so_far) = ((wait * 2).min(LONGEST_WAIT), loss);
        }
    }

    /// Waits, but goes on at once when a shutdown begins.
    async fn rest(&self, pause: Duration) {
        let mut cutoff = self.cutoff.clone();
        tokio::select! {
            () = sleep(pause) => {}
            _ = cutoff.wait_for(Option::is_some), if !self.is_ending() => {}
        }
    }

    /// `None` when the time of the shutdown is up before.
    async fn before_the_end<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        let mut cutoff = self.cutoff.clone();
        tokio::select! {
            biased;
            () = passed(&mut cutoff) => None,
            done = future => Some(done),
        }
    }

    /// Whether the time of the shutdown is up.
    pub(super) fn has_ended(&self) -> bool {
        self.cutoff.borrow().is_some_and(|end| Instant::now() >= end)
    }

    fn is_ending(&self) -> bool {
        self.cutoff.borrow().is_some()
    }
}

/// Ends when the time of the shutdown is up, however long it may be until one begins.
async fn passed(cutoff: &mut Cutoff) {
    let end = cutoff.wait_for(Option::is_some).await.ok().and_then(|end| *end);
    match end {
        Some(end) => sleep_until(end).await,
        // Who could shut down is gone without.
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

/// Every level once, outermost first.
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
