use std::fmt;
use std::sync::Arc;
#[cfg(feature = "client")]
use std::sync::Weak;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response, Uri};
use http_body::Body;
use hyper::rt::{Read, Write};
use hyper_util::client::legacy::connect::Connection as Connect;
use tower_service::Service;

use super::core::Core;
use super::options::Options;
use super::{PoolBody, PoolBuilder, PoolFuture};
use crate::error::BoxError;
#[cfg(feature = "client")]
use crate::record::Registry;
use crate::record::{OriginParts, OwnPool, Reset};
use crate::settings::PoolSettings;

/// A client with a bounded pool of HTTP/1 and HTTP/2 connections.
///
/// `C` is any connector that hyper-util's client takes. Put [`TrackLayer`](crate::connect::TrackLayer) around the connector,
/// so that the layers of this crate know the connections. `B` is the body of the requests.
///
/// Clones share one pool. When the last clone and the last [`PoolFuture`] are dropped, the idle connections close; those
/// that serve a response close at its end.
///
/// Requests have absolute URIs. Over HTTP/1 the pool adds a `host` header where there is none, and sends the path only; to
/// an HTTP proxy it sends the whole URI.
///
/// # Errors
/// The service's error is that of the connect, below an error that each waiting request gets; hyper's error, below an error
/// that knows the connection; or a [`PoolTimeoutError`](crate::limit::PoolTimeoutError) or
/// [`QueueFullError`](crate::limit::QueueFullError). [`Failure::of`](crate::Failure::of) distinguishes them.
///
/// # Example
/// ```
/// use tower_layer::Layer;
/// use tower_outbound::Outbound;
/// use tower_outbound::pool::Pool;
///
/// let outbound = Outbound::new();
/// let connector = outbound.connector(outbound.http_connector());
/// let pool = Pool::builder().max_connections_per_origin(20).build(connector);
/// let service = outbound.layer().layer(pool);
/// # fn check<S: tower_service::Service<http::Request<String>>>(_: S) {}
/// # check(service);
/// ```
pub struct Pool<C, B> {
    handle: Arc<Handle<C, B>>,
}

/// What the clones of a pool share.
pub(super) struct Handle<C, B> {
    pub(super) connector: C,
    pub(super) core: Arc<Core<B>>,
}

impl<C, B> Drop for Handle<C, B> {
    fn drop(&mut self) {
        self.core.close();
    }
}

impl<C, B> Pool<C, B> {
    pub(super) fn new(connector: C, options: Options) -> Self {
        Self { handle: Arc::new(Handle { connector, core: Arc::new(Core::new(options)) }) }
    }
}

#[cfg(feature = "client")]
impl<C, B: Send + 'static> Pool<C, B> {
    /// Follows the settings of a stack from now on, and not only from its first connection on.
    pub(crate) fn follow(&self, registry: &Registry) {
        self.handle.core.join(registry);
        registry.add_pool(&(Arc::downgrade(&self.handle.core) as Weak<dyn OwnPool>));
    }
}

impl<C, B: Send> Pool<C, B> {
    /// Takes every connection out of use: idle ones close now, the others when what they do is finished. New requests get new
    /// connections within the limits. No request fails because of it, with one exception:
    ///
    /// A connection that finishes what it does keeps its place. So where requests wait for a place at a limit, and nothing was
    /// received on any connection of the origin for [`silent_after`](PoolBuilder::silent_after) (at the call, or later), the
    /// connections whose requests have no answer close. These requests fail as
    /// [`ConnectionAborted`](crate::Kind::ConnectionAborted). On HTTP/1, a
    /// response that has begun is never cut.
    ///
    /// [`Outbound::reset`](crate::Outbound::reset) does the same to every client of an `Outbound`.
    #[expect(clippy::must_use_candidate, reason = "what is done counts, not the report")]
    pub fn reset(&self) -> Reset {
        self.handle.core.reset(None)
    }

    /// [`reset`](Self::reset) for one origin. Nothing happens if the URI names no host.
    pub fn reset_origin(&self, uri: &Uri) -> Reset {
        OriginParts::of(uri).map_or_else(Reset::default, |parts| self.handle.core.reset(Some(parts)))
    }

    /// Closes the idle connections, and waits until those that are busy have finished and are closed too, for as long as the
    /// limit. Returns how many are still open then.
    ///
    /// Send nothing more before: a later request is served, but its connection is not kept.
    ///
    /// # Cancel safety
    /// Dropping the future stops the wait. The pool stays closed.
    ///
    /// # Example
    /// ```
    /// # use std::time::Duration;
    /// # use tower_outbound::pool::Pool;
    /// # async fn run<C>(pool: Pool<C, String>) {
    /// let left = pool.shutdown(Duration::from_secs(10)).await;
    /// # drop(left);
    /// # }
    /// ```
    pub async fn shutdown(&self, limit: Duration) -> usize {
        self.handle.core.shutdown(limit).await
    }
}

impl Pool<(), ()> {
    /// The options of a pool.
    pub fn builder() -> PoolBuilder {
        PoolBuilder::new(PoolSettings::new())
    }
}

impl<C, B> Clone for Pool<C, B> {
    fn clone(&self) -> Self {
        Self { handle: self.handle.clone() }
    }
}

impl<C, B> fmt::Debug for Pool<C, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pool").field(&self.handle.core).finish()
    }
}

impl<C, B> Service<Request<B>> for Pool<C, B>
where
    C: Service<Uri> + Clone + Send + 'static,
    C::Response: Read + Write + Connect + Unpin + Send + 'static,
    C::Error: Into<BoxError>,
    C::Future: Send + 'static,
    B: Body + Unpin + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    type Response = Response<PoolBody>;
    type Error = BoxError;
    type Future = PoolFuture<C, B>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> PoolFuture<C, B> {
        PoolFuture::new(self.handle.clone(), request)
    }
}
