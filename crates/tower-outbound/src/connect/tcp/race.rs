//! [`Race`]: overlapping connection attempts (RFC 8305, section 5).

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use std::vec;

use tokio::time::{Instant, Sleep};

use crate::error::AddressEnd;
use crate::failure::{Failure, Kind, Phase};
use crate::record::{AddressAttempt, AddressOutcome, Setup};

/// Tries addresses one after the other and keeps the first connection.
///
/// The next attempt starts when the previous one has failed or the delay has passed, whichever is first. Every started
/// attempt is reported once: at its end, or when the race is decided or dropped.
pub(super) struct Race<C, F> {
    connect: C,
    setup: Option<Setup>,
    remaining: vec::IntoIter<SocketAddr>,
    delay: Option<Duration>,
    /// When the next attempt starts.
    next: Option<Pin<Box<Sleep>>>,
    deadline: Option<Pin<Box<Sleep>>>,
    /// In the order of their start.
    running: Vec<Running<F>>,
    ended: Vec<AddressEnd>,
}

struct Running<F> {
    address: SocketAddr,
    start: Instant,
    future: Pin<Box<F>>,
}

/// Why a race has no winner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoWinner {
    /// Every address failed, or there was none.
    AllFailed,
    /// The deadline has passed.
    TimedOut,
}

impl<C, F, T> Race<C, F>
where
    C: FnMut(SocketAddr) -> F,
    F: Future<Output = io::Result<T>>,
{
    /// Without a delay, the next attempt starts only when the previous one has failed.
    pub(super) fn new(
        connect: C,
        addresses: Vec<SocketAddr>,
        delay: Option<Duration>,
        deadline: Option<Instant>,
        setup: Option<Setup>,
    ) -> Self {
        Self {
            connect,
            setup,
            remaining: addresses.into_iter(),
            delay,
            next: None,
            deadline: deadline.map(|deadline| Box::pin(tokio::time::sleep_until(deadline))),
            running: Vec::new(),
            ended: Vec::new(),
        }
    }

    /// Runs the race. Also returns the attempts, in the order of their end.
    pub(super) async fn run(mut self) -> (Result<T, NoWinner>, Vec<AddressEnd>) {
        let result = poll_fn(|cx| self.poll(cx)).await;
        (result, std::mem::take(&mut self.ended))
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<T, NoWinner>> {
        loop {
            let mut is_due = self.running.is_empty();
            let mut at = 0;
            while at < self.running.len() {
                match self.running[at].future.as_mut().poll(cx) {
                    Poll::Pending => at += 1,
                    Poll::Ready(Ok(connection)) => {
                        self.end(at, AddressOutcome::Connected, None);
                        self.end_all(&AddressOutcome::Lost);
                        return Poll::Ready(Ok(connection));
                    }
                    Poll::Ready(Err(error)) => {
                        // The failure of the attempt that started last starts the next one.
                        is_due |= at + 1 == self.running.len();
                        let failure = Failure::of(&error).in_setup(Some(Phase::Tcp));
                        self.end(at, AddressOutcome::Failed(failure), Some(error));
                    }
                }
            }
            if self.running.is_empty() && self.remaining.len() == 0 {
                return Poll::Ready(Err(NoWinner::AllFailed));
            }
            if has_fired(&mut self.deadline, cx) {
                let failure = Failure::new(Kind::ConnectTimeout).with_phase(Phase::Tcp);
                self.end_all(&AddressOutcome::Failed(failure));
                return Poll::Ready(Err(NoWinner::TimedOut));
            }
            if !is_due && !has_fired(&mut self.next, cx) {
                return Poll::Pending;
            }
            self.start_next();
        }
    }

    fn start_next(&mut self) {
        let Some(address) = self.remaining.next() else { return };
        let future = Box::pin((self.connect)(address));
        self.running.push(Running { address, start: Instant::now(), future });
        let delay = self.delay.filter(|_| self.remaining.len() > 0);
        self.next = delay.map(|delay| Box::pin(tokio::time::sleep(delay)));
    }
}

impl<C, F> Race<C, F> {
    fn end(&mut self, at: usize, outcome: AddressOutcome, error: Option<io::Error>) {
        // Closes the socket before the attempt is reported.
        let Running { address, start, .. } = self.running.remove(at);
        let attempt = AddressAttempt { address, start, end: Instant::now(), outcome };
        if let Some(setup) = &self.setup {
            setup.end_address(&attempt);
        }
        self.ended.push(AddressEnd { attempt, error });
    }

    fn end_all(&mut self, outcome: &AddressOutcome) {
        while !self.running.is_empty() {
            self.end(0, outcome.clone(), None);
        }
    }
}

impl<C, F> Drop for Race<C, F> {
    fn drop(&mut self) {
        self.end_all(&AddressOutcome::Cancelled);
    }
}

fn has_fired(timer: &mut Option<Pin<Box<Sleep>>>, cx: &mut Context<'_>) -> bool {
    timer.as_mut().is_some_and(|timer| timer.as_mut().poll(cx).is_ready())
}
