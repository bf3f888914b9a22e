use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioTimer;
use tokio::time::Instant;

use super::PoolExecutor;
use crate::settings::{KeepAlive, PoolSettings};

/// Sets options of hyper.
pub(super) type SetHttp2 = Arc<dyn Fn(&mut http2::Builder<PoolExecutor>) + Send + Sync>;

/// Sets an option by code.
pub(super) type Change = Arc<dyn Fn(&mut PoolSettings) + Send + Sync>;

/// What a pool is built with.
#[derive(Clone)]
pub(super) struct Options {
    /// Changes included.
    pub(super) settings: PoolSettings,
    /// What the code has set, in its order.
    pub(super) changes: Vec<Change>,
    pub(super) http2_only: bool,
    pub(super) http1: http1::Builder,
    pub(super) http2: Option<SetHttp2>,
    /// Adds a `host` header over HTTP/1 where there is none.
    pub(super) set_host: bool,
}

impl Options {
    /// hyper's options of an HTTP/2 connection.
    pub(super) fn http2(
        &self,
        keep_alive: KeepAlive,
        executor: PoolExecutor,
    ) -> http2::Builder<PoolExecutor> {
        let mut http2 = http2::Builder::new(executor);
        http2
            .timer(TokioTimer::new())
            .keep_alive_interval(keep_alive.interval())
            .keep_alive_timeout(keep_alive.timeout)
            .keep_alive_while_idle(keep_alive.while_idle);
        if let Some(set) = &self.http2 {
            set(&mut http2);
        }
        http2
    }
}

/// When a connection that was opened then has its age. The jitter of a tenth keeps connections that were opened together
/// from closing together.
pub(super) fn retires(max_age: Duration, opened: Instant) -> Option<Instant> {
    if max_age.is_zero() {
        return None;
    }
    opened.checked_add(max_age.mul_f64(1.0 - fastrand::f64() / 10.0))
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("settings", &self.settings)
            .field("http2_only", &self.http2_only)
            .finish_non_exhaustive()
    }
}
