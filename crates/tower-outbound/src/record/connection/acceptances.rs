//! Which attempt's request is on which stream.

use std::collections::VecDeque;

use crate::record::WeakAttempt;

/// The requests that an HTTP/2 connection has accepted, in order.
///
/// hyper accepts one request after the other and numbers the streams in that order: the n-th request is on stream 2n − 1. So
/// this holds as long as every request of the connection is an attempt.
#[derive(Debug, Default)]
pub(super) struct Acceptances {
    count: u64,
    /// The newest ones, whose HEADERS were not written yet.
    waiting: VecDeque<WeakAttempt>,
    /// Some request has no number.
    lost: bool,
}

impl Acceptances {
    /// The connection accepts a request. Returns the number of the request; `None` once they cannot be counted.
    pub(super) fn accept(&mut self, attempt: WeakAttempt) -> Option<u64> {
        if self.lost {
            return None;
        }
        self.count += 1;
        self.waiting.push_back(attempt);
        Some(self.count)
    }

    /// The connection accepts a request that may get no stream.
    pub(super) fn lose_count(&mut self) {
        self.lost = true;
    }

    /// The attempts that were waiting when the count was lost. Each may have its HEADERS out.
    pub(super) fn take_lost(&mut self) -> VecDeque<WeakAttempt> {
        if self.lost { std::mem::take(&mut self.waiting) } else { VecDeque::new() }
    }

    /// The HEADERS of this stream were written. Returns the attempt of the request.
    pub(super) fn open(&mut self, stream: u32) -> Option<WeakAttempt> {
        let number = u64::from(stream).div_ceil(2);
        if number > self.count {
            // A request that is no attempt, or a number that h2 did not use.
            self.lost = true;
            return None;
        }
        let first = self.count - self.waiting.len() as u64 + 1;
        // h2 refused the ones before: their numbers are used up.
        for _ in 0..number.checked_sub(first)? {
            self.waiting.pop_front();
        }
        self.waiting.pop_front()
    }
}
