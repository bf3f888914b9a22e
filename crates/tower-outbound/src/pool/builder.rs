use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hyper::client::conn::{http1, http2};

use super::options::Options;
use super::{Pool, PoolExecutor};
use crate::settings::{PoolSettings, WhenFull};

/// Options of a [`Pool`]; from [`Pool::builder`].
#[must_use = "a builder does nothing until `build`"]
#[derive(Clone)]
pub struct PoolBuilder {
    options: Options,
}

impl PoolBuilder {
    /// The options of a stack, or the defaults.
    pub(crate) fn new(settings: PoolSettings) -> Self {
        Self {
            options: Options {
                settings,
                changes: Vec::new(),
                http2_only: false,
                http1: http1::Builder::new(),
                http2: None,
                set_host: true,
            },
        }
    }

    /// An option that the code sets. It holds over what the settings of an [`Outbound`](crate::Outbound) have.
    fn set(mut self, change: impl Fn(&mut PoolSettings) + Send + Sync + 'static) -> Self {
        change(&mut self.options.settings);
        self.options.changes.push(Arc::new(change));
        self
    }

    /// Connections of one origin, connects included. Default: 50. Zero: no limit.
    ///
    /// The clients of an [`Outbound`](crate::Outbound) share its limit. One that sets this is apart from the others.
    pub fn max_connections_per_origin(self, limit: usize) -> Self {
        self.set(move |settings| settings.max_connections_per_origin = limit)
    }

    /// Connections of all origins, connects included. Default: zero, no limit.
    ///
    /// When the limit is reached, the connection of another origin that is idle for the longest time makes room. Origins
    /// that wait for the total take turns.
    pub fn max_connections(self, limit: usize) -> Self {
        self.set(move |settings| settings.max_connections = limit)
    }

    /// Idle HTTP/1 connections that are kept for one origin. Default: 50. Zero: a connection serves one request, unless
    /// another one waits.
    pub fn max_idle_per_origin(self, limit: usize) -> Self {
        self.set(move |settings| settings.max_idle_per_origin = limit)
    }

    /// Idle HTTP/1 connections that are kept for all origins. Default: zero, no limit.
    pub fn max_idle(self, limit: usize) -> Self {
        self.set(move |settings| settings.max_idle = limit)
    }

    /// How long an idle connection is kept, with a twentieth of that for accuracy. Default: 30 s. Zero: no timeout.
    pub fn idle_timeout(self, timeout: Duration) -> Self {
        self.set(move |settings| settings.idle_timeout = timeout)
    }

    /// How long a request waits for a connection, a connect included. Default: 30 s. Zero: no timeout.
    pub fn acquire_timeout(self, timeout: Duration) -> Self {
        self.set(move |settings| settings.acquire_timeout = timeout)
    }

    /// How long a request waits for one of the origin's busy connections before it opens another one. Default: zero, it does
    /// not wait.
    ///
    /// With short requests, a few milliseconds save handshakes, and leave fewer connections after a burst.
    pub fn connect_after(self, wait: Duration) -> Self {
        self.set(move |settings| settings.connect_after = wait)
    }

    /// Requests of one origin that wait without a connect of their own. Default: 1,024. Zero: none waits; a request beyond
    /// the limit of connections fails at once.
    pub fn max_waiting(self, limit: usize) -> Self {
        self.set(move |settings| settings.max_waiting = limit)
    }

    /// Streams of one HTTP/2 connection. Default: zero, as many as the peer allows.
    pub fn max_streams(self, limit: usize) -> Self {
        self.set(move |settings| settings.max_streams = limit)
    }

    /// The age from which a connection serves no further request, shortened by up to a tenth at random. Default: zero, none.
    ///
    /// The name of a new connection is resolved anew.
    pub fn max_age(self, age: Duration) -> Self {
        self.set(move |settings| settings.max_age = age)
    }

    /// How many requests a connection serves. Default: zero, no limit.
    pub fn max_uses(self, uses: u64) -> Self {
        self.set(move |settings| settings.max_uses = uses)
    }

    /// HTTP/1: how much of a response's body is read after the caller has dropped it, so that its connection serves the next
    /// request. Default: 64 KiB. Zero: nothing, and the connection closes unless hyper has the rest already.
    pub fn drain_up_to(self, bytes: u64) -> Self {
        self.set(move |settings| settings.drain_bytes = bytes)
    }

    /// HTTP/1: how long the rest of a dropped body is read. Default: 50 ms. Zero: not at all.
    pub fn drain_timeout(self, timeout: Duration) -> Self {
        self.set(move |settings| settings.drain_time = timeout)
    }

    /// What happens at [`max_connections_per_origin`](Self::max_connections_per_origin) and
    /// [`max_connections`](Self::max_connections). Default: the request waits.
    pub fn when_full(self, when_full: WhenFull) -> Self {
        self.set(move |settings| settings.when_full = when_full)
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
    pub fn keep_alive_interval(self, interval: Duration) -> Self {
        self.set(move |settings| settings.keep_alive.interval = interval)
    }

    /// HTTP/2: how long the peer may take to answer a PING. Default: 10 s. Zero disables the PINGs.
    pub fn keep_alive_timeout(self, timeout: Duration) -> Self {
        self.set(move |settings| settings.keep_alive.timeout = timeout)
    }

    /// HTTP/2: sends PINGs also while no stream is open. Default: false.
    pub fn keep_alive_while_idle(self, while_idle: bool) -> Self {
        self.set(move |settings| settings.keep_alive.while_idle = while_idle)
    }

    /// For how long nothing may have been received from an origin, when a reset cuts its requests that are not answered.
    /// Default: 5 s. Zero: it cuts none.
    ///
    /// See [`Pool::reset`].
    pub fn silent_after(self, silence: Duration) -> Self {
        self.set(move |settings| settings.silent_after = silence)
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
