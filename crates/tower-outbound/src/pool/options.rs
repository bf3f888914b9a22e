use std::time::Duration;

use hyper::client::conn::http1;
use tokio::time::Instant;

use super::state::Limits;
use crate::settings::KeepAlive;

/// What a pool is built with.
#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) limits: Limits,
    /// Zero: no timeout.
    pub(super) acquire_timeout: Duration,
    /// Zero: connections have no age.
    pub(super) max_age: Duration,
    pub(super) http2_only: bool,
    pub(super) http1: http1::Builder,
    pub(super) keep_alive: KeepAlive,
    /// Adds a `host` header over HTTP/1 where there is none.
    pub(super) set_host: bool,
}

impl Options {
    /// When a connection that opens now has its age. The jitter of a tenth keeps connections that were opened together from
    /// closing together.
    pub(super) fn retires(&self) -> Option<Instant> {
        if self.max_age.is_zero() {
            return None;
        }
        let shortened = self.max_age.mul_f64(1.0 - fastrand::f64() / 10.0);
        Instant::now().checked_add(shortened)
    }
}
