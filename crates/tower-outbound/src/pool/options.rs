use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioTimer;
use tokio::time::Instant;

use super::PoolExecutor;
use super::drain::DrainLimits;
use super::state::Limits;
use crate::settings::KeepAlive;

/// Sets options of hyper.
pub(super) type SetHttp2 = Arc<dyn Fn(&mut http2::Builder<PoolExecutor>) + Send + Sync>;

/// What a pool is built with.
#[derive(Clone)]
pub(super) struct Options {
    pub(super) limits: Limits,
    /// Zero: no timeout.
    pub(super) acquire_timeout: Duration,
    /// Zero: connections have no age.
    pub(super) max_age: Duration,
    pub(super) http2_only: bool,
    pub(super) http1: http1::Builder,
    pub(super) http2: Option<SetHttp2>,
    pub(super) keep_alive: KeepAlive,
    pub(super) drain: DrainLimits,
    /// Adds a `host` header over HTTP/1 where there is none.
    pub(super) set_host: bool,
}

impl Options {
    /// hyper's options of an HTTP/2 connection.
    pub(super) fn http2(&self, executor: PoolExecutor) -> http2::Builder<PoolExecutor> {
        let mut http2 = http2::Builder::new(executor);
        http2
            .timer(TokioTimer::new())
            .keep_alive_interval(self.keep_alive.interval())
            .keep_alive_timeout(self.keep_alive.timeout)
            .keep_alive_while_idle(self.keep_alive.while_idle);
        if let Some(set) = &self.http2 {
            set(&mut http2);
        }
        http2
    }

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

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("limits", &self.limits)
            .field("acquire_timeout", &self.acquire_timeout)
            .field("max_age", &self.max_age)
            .field("http2_only", &self.http2_only)
            .finish_non_exhaustive()
    }
}
