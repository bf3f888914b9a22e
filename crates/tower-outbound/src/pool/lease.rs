use std::fmt;
use std::sync::Arc;

use super::conn::Conn;
use super::drain::DrainLimits;

/// The right of one request to use a connection. Its drop gives the connection back.
pub(super) struct Lease<B>(Option<Arc<Conn<B>>>);

impl<B> Lease<B> {
    /// The state has counted the lease.
    pub(super) fn new(conn: Arc<Conn<B>>) -> Self {
        Self(Some(conn))
    }

    pub(super) fn conn(&self) -> &Conn<B> {
        self.0.as_ref().expect("a lease has its connection until it is dropped")
    }
}

impl<B: Send + 'static> Lease<B> {
    /// For the body of the response, which does not name the type of the request's.
    pub(super) fn erase(mut self) -> BodyLease {
        BodyLease(self.0.take().expect("a lease has its connection until it is dropped"))
    }
}

impl<B> Drop for Lease<B> {
    fn drop(&mut self) {
        if let Some(conn) = &self.0 {
            conn.end_lease();
        }
    }
}

/// A [`Lease`] of any request.
pub(super) struct BodyLease(Arc<dyn EndLease>);

impl BodyLease {
    /// The bounds for the rest of a body that is dropped. HTTP/2 needs no rest.
    pub(super) fn drain_limits(&self) -> DrainLimits {
        self.0.drain_limits()
    }
}

trait EndLease: Send + Sync {
    fn end(&self);

    fn drain_limits(&self) -> DrainLimits;
}

impl<B: Send + 'static> EndLease for Conn<B> {
    fn end(&self) {
        self.end_lease();
    }

    fn drain_limits(&self) -> DrainLimits {
        if self.is_http2() {
            return DrainLimits::NONE;
        }
        let settings = self.core.settings();
        DrainLimits { bytes: settings.drain_bytes, time: settings.drain_time }
    }
}

impl Drop for BodyLease {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl fmt::Debug for BodyLease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BodyLease")
    }
}
