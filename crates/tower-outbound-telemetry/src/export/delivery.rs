//! Delivers requests: attempts, backoff and timeouts.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use opentelemetry_http::{HttpClient, HttpError};
use tokio::time::{Instant, sleep, timeout_at};
use tower_outbound::{Class, Failure, Kind, Phase};

use super::answer::{Again, Answer};
use super::health::Health;
use super::outcome::{Cutoff, Outcome, report};
use super::transport::{Message, Transport};
use crate::Loss;

/// Backoff before the second attempt. Doubles up to `LONGEST_WAIT`, plus up to a fifth at random.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_millis(1_600);

/// Delivers requests of one signal: the client of its exporter.
///
/// To the exporter every request succeeds: its own retries would block the thread, and its log would say again what
/// [`Health`] says. The outcome is reported beside the response.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) transport: Transport,
    pub(super) health: Arc<Health>,
    /// The timeout of one request with all its attempts.
    pub(super) timeout: Duration,
    pub(super) cutoff: Cutoff,
}

#[async_trait::async_trait]
impl HttpClient for Delivery {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        report(self.deliver(self.transport.prepare(request)).await);
        Ok(Response::default())
    }
}

impl Delivery {
    /// Delivers one message, with retries.
    ///
    /// Retries also without an acknowledgement, as OTLP requires: spans and cumulative points that arrive twice are the same.
    pub(super) async fn deliver(&self, message: Message) -> Outcome {
        let end_by = Instant::now() + self.timeout;
        let mut wait = FIRST_WAIT;
        let mut so_far = None;
        loop {
            let attempt = timeout_at(end_by, self.transport.send(message.clone())).await;
            let (loss, cause, again) = match attempt {
                Ok(Ok(Answer::Taken(partial))) => {
                    self.health.works(&partial.said);
                    return Ok(partial.rejected);
                }
                Ok(Ok(Answer::Refused { said, again })) => (Loss::Rejected, said, again),
                Ok(Err(error)) => {
                    let failure = Failure::of(&*error);
                    let mut cause = chain(&*error);
                    if !self.health.has_worked() {
                        cause.push_str(self.transport.hint(&failure));
                    }
                    match self.transport.is_final(&failure) {
                        true => (Loss::Refused, cause, Again::Never),
                        false => (loss(&failure), cause, Again::After(None)),
                    }
                }
                Err(_) => (so_far.unwrap_or(Loss::TimedOut), "no answer in time".to_owned(), Again::Never),
            };
            let pause = self.pause(loss, again, wait, end_by);
            self.health.fails(loss, &cause, pause.is_some());
            let Some(pause) = pause else { return Err(loss) };
            report(Err(loss));
            self.rest(pause).await;
            (wait, so_far) = ((wait * 2).min(LONGEST_WAIT), Some(loss));
        }
    }

    /// The backoff before the next attempt; `None` if there is none.
    fn pause(&self, loss: Loss, again: Again, wait: Duration, end_by: Instant) -> Option<Duration> {
        let Again::After(asked) = again else { return None };
        // During a shutdown, do not wait for a receiver that refuses connections.
        if loss == Loss::Refused && self.is_ending() {
            return None;
        }
        let pause = asked.unwrap_or_default().max(wait.mul_f64(1.0 + fastrand::f64() / 5.0));
        // Do not begin a backoff that ends too late.
        Instant::now().checked_add(pause).filter(|end| *end < end_by).map(|_| pause)
    }

    /// Waits; returns at once when a shutdown begins.
    async fn rest(&self, pause: Duration) {
        let mut cutoff = self.cutoff.clone();
        tokio::select! {
            () = sleep(pause) => {}
            _ = cutoff.wait_for(Option::is_some), if !self.is_ending() => {}
        }
    }

    fn is_ending(&self) -> bool {
        self.cutoff.borrow().is_some()
    }
}

fn loss(failure: &Failure) -> Loss {
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
