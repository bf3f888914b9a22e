use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hyper::client::conn::{http1, http2};

use super::drain::DrainLimits;
use super::options::Options;
use super::state::Limits;
use super::{Pool, PoolExecutor};
use crate::settings::KeepAlive;

/// Options of a [`Pool`]; from [`Pool::builder`].
#[must_use = "a builder does nothing until `build`"]
#[derive(Clone)]
pub struct PoolBuilder {
    options: Options,
}

/// What happens to a request when the connections of its origin are used up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// The request waits. Requests of an origin are served in the order of their arrival.
    #[default]
    Wait,
    /// A connection above the limit is opened for the request, and not kept.
    Overflow,
}

/// A number of which 0 is no limit.
fn or_none(limit: usize) -> usize {
    if limit == 0 { usize::MAX } else { limit }
}

impl PoolBuilder {
    pub(super) fn new() -> Self {
        let limits = Limits {
            per_origin: 50,
            total: usize::MAX,
            idle_per_origin: 50,
            idle_total: usize::MAX,
            waiting: 1024,
            streams: usize::MAX,
            overflow: false,
            idle_timeout: Some(Duration::from_secs(30)),
            uses: u64::MAX,
            ages: false,
            connect_after: Duration::ZERO,
        };
        Self {
            options: Options {
                limits,
                acquire_timeout: Duration::from_secs(30),
                max_age: Duration::ZERO,
                http2_only: false,
                http1: http1::Builder::new(),
                http2: None,
                keep_alive: KeepAlive::new(),
                drain: DrainLimits { bytes: 64 << 10, time: Duration::from_millis(50) },
                set_host: true,
            },
        }
    }

    /// Connections of one origin, connects included. Default: 50. Zero: no limit.
    pub fn max_connections_per_origin(mut self, limit: usize) -> Self {
        self.options.limits.per_origin = or_none(limit);
        self
    }

    /// Connections of all origins, connects included. Default: zero, no limit.
    ///
    /// When the limit is reached, the connection of another origin that is idle for the longest time makes room. Origins
    /// that wait for the total take turns.
    pub fn max_connections(mut self, limit: usize) -> Self {
        self.options.limits.total = or_none(limit);
        self
    }

    /// Idle HTTP/1 connections that are kept for one origin. Default: 50. Zero: a connection serves one request, unless
    /// another one waits.
    pub fn max_idle_per_origin(mut self, limit: usize) -> Self {
        self.options.limits.idle_per_origin = limit;
        self
    }

    /// Idle HTTP/1 connections that are kept for all origins. Default: zero, no limit.
    pub fn max_idle(mut self, limit: usize) -> Self {
        self.options.limits.idle_total = or_none(limit);
        self
    }

    /// How long an idle connection is kept, with a twentieth of that for accuracy. Default: 30 s. Zero: no timeout.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.options.limits.idle_timeout = Some(timeout).filter(|timeout| !timeout.is_zero());
        self
    }

    /// How long a request waits for a connection, a connect included. Default: 30 s. Zero: no timeout.
    pub fn acquire_timeout(mut self, timeout: Duration) -> Self {
        self.options.acquire_timeout = timeout;
        self
    }

    /// How long a request waits for one of the origin's busy connections before it opens another one. Default: zero, it does
    /// not wait.
    ///
    /// With short requests, a few milliseconds save handshakes, and leave fewer connections after a burst.
    pub fn connect_after(mut self, wait: Duration) -> Self {
        self.options.limits.connect_after = wait;
        self
    }

    /// Requests of one origin that wait without a connect of their own. Default: 1,024. Zero: none waits; a request beyond
    /// the limit of connections fails at once.
    pub fn max_waiting(mut self, limit: usize) -> Self {
        self.options.limits.waiting = limit;
        self
    }

    /// Streams of one HTTP/2 connection. Default: zero, as many as the peer allows.
    pub fn max_streams(mut self, limit: usize) -> Self {
        self.options.limits.streams = or_none(limit);
        self
    }

    /// The age from which a connection serves no further request, shortened by up to a tenth at random. Default: zero, none.
    ///
    /// The name of a new connection is resolved anew.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.options.max_age = age;
        self.options.limits.ages = !age.is_zero();
        self
    }

    /// How many requests a connection serves. Default: zero, no limit.
    pub fn max_uses(mut self, uses: u64) -> Self {
        self.options.limits.uses = if uses == 0 { u64::MAX } else { uses };
        self
    }

    /// HTTP/1: how much of a response's body is read after the caller has dropped it, so that its connection serves the next
    /// request. Default: 64 KiB. Zero: nothing, and the connection closes unless hyper has the rest already.
    pub fn drain_up_to(mut self, bytes: u64) -> Self {
        self.options.drain.bytes = bytes;
        self
    }

    /// HTTP/1: how long the rest of a dropped body is read. Default: 50 ms. Zero: not at all.
    pub fn drain_timeout(mut self, timeout: Duration) -> Self {
        self.options.drain.time = timeout;
        self
    }

    /// What happens at [`max_connections_per_origin`](Self::max_connections_per_origin) and
    /// [`max_connections`](Self::max_connections). Default: the request waits.
    pub fn when_full(mut self, when_full: WhenFull) -> Self {
        self.options.limits.overflow = when_full == WhenFull::Overflow;
        self
    }

    /// Sends every request over HTTP/2; over `http` with prior knowledge (RFC 9113, section 3.3). Default: false.
    pub fn http2_only(mut self, http2_only: bool) -> Self {
        self.options.http2_only = http2_only;
        self
    }

    /// Adds a `host` header over HTTP/1 where there is none. Default: true.
    pub fn set_host(mut self, set_host: bool) -> Self {
        self.options.set_host = set_host;
        self
    }

    /// hyper's options of HTTP/1, such as `title_case_headers`.
    ///
    /// # Example
    /// ```
    /// use tower_outbound::pool::Pool;
    ///
    /// let builder = Pool::builder().http1(|http1| {
    ///     http1.title_case_headers(true);
    /// });
    /// # let _ = builder;
    /// ```
    pub fn http1(mut self, set: impl FnOnce(&mut http1::Builder)) -> Self {
        set(&mut self.options.http1);
        self
    }

    /// hyper's options of HTTP/2, such as the sizes of windows and of header lists. They are set for each connection, after
    /// those of this builder.
    ///
    /// # Example
    /// ```
    /// use tower_outbound::pool::Pool;
    ///
    /// let builder = Pool::builder().http2(|http2| {
    ///     http2.initial_stream_window_size(4 << 20).initial_connection_window_size(16 << 20);
    /// });
    /// # let _ = builder;
    /// ```
    pub fn http2(mut self, set: impl Fn(&mut http2::Builder<PoolExecutor>) + Send + Sync + 'static) -> Self {
        self.options.http2 = Some(Arc::new(set));
        self
    }

    /// HTTP/2: after this long without a received frame, send a PING while streams are open. Default: 10 s. Zero disables
    /// the PINGs.
    pub fn keep_alive_interval(mut self, interval: Duration) -> Self {
        self.options.keep_alive.interval = interval;
        self
    }

    /// HTTP/2: how long the peer may take to answer a PING. Default: 10 s. Zero disables the PINGs.
    pub fn keep_alive_timeout(mut self, timeout: Duration) -> Self {
        self.options.keep_alive.timeout = timeout;
        self
    }

    /// HTTP/2: sends PINGs also while no stream is open. Default: false.
    pub fn keep_alive_while_idle(mut self, while_idle: bool) -> Self {
        self.options.keep_alive.while_idle = while_idle;
        self
    }

    /// Builds a pool over a connector.
    #[must_use]
    pub fn build<C, B>(self, connector: C) -> Pool<C, B> {
        Pool::new(connector, self.options)
    }
}

impl fmt::Debug for PoolBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PoolBuilder").field(&self.options).finish()
    }
}
