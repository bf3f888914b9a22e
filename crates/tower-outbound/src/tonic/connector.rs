//! The connector of one channel, which passes each new connection to the channel's executor.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use ::hyper::rt::{Read, Write};
use http::Uri;
use hyper_util::client::legacy::connect::Connection;
use tonic::ConnectError;
use tower_service::Service;

use super::executor::OpenedConnection;
use crate::connect::{Track, TrackedIo};
use crate::error::BoxError;

/// The tracked connector of one channel.
pub(super) struct ChannelConnector<C> {
    inner: Track<C>,
    opened: OpenedConnection,
}

impl<C> ChannelConnector<C> {
    pub(super) fn new(inner: Track<C>, opened: OpenedConnection) -> Self {
        Self { inner, opened }
    }
}

/// Boxed: tonic asks for `Unpin`, and connects are rare.
type Connecting<T> = Pin<Box<dyn Future<Output = Result<TrackedIo<T>, ConnectError>> + Send>>;

impl<C> Service<Uri> for ChannelConnector<C>
where
    C: Service<Uri>,
    C::Response: Read + Write + Connection + Unpin + Send + 'static,
    C::Error: Into<BoxError>,
    C::Future: Send + 'static,
{
    type Response = TrackedIo<C::Response>;
    /// tonic makes `UNAVAILABLE` of this type: nothing was sent.
    type Error = ConnectError;
    type Future = Connecting<C::Response>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        self.inner.poll_ready(cx).map_err(ConnectError)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let (connecting, opened) = (self.inner.call(uri), self.opened.clone());
        Box::pin(async move {
            let io = connecting.await.map_err(ConnectError)?;
            opened.set(io.connection());
            Ok(io)
        })
    }
}
