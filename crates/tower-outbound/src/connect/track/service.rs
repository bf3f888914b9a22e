use std::task::{Context, Poll};

use http::Uri;
use hyper::rt::{Read, Write};
use hyper_util::client::legacy::connect::Connection;
use tower_service::Service;

use super::future::Opening;
use super::guard::ClientAlive;
use super::layer::InspectStream;
use super::{TrackFuture, TrackedIo};
use crate::error::BoxError;
use crate::foreign::ExecutorId;
use crate::record::{Attempt, Registry, Setup, StartingSetup};
use crate::settings::ConnectTimeouts;
use crate::util::inner_service_accessors;

/// A connector whose connections are tracked. Created by [`TrackLayer`](super::TrackLayer).
#[derive(Clone, Debug)]
pub struct Track<S> {
    pub(super) inner: S,
    pub(super) registry: Registry,
    pub(super) own: Option<ConnectTimeouts>,
    pub(super) below_tls: bool,
    pub(super) inspect: InspectStream,
    pub(super) executor: Option<ExecutorId>,
    /// Clones of the connector are those of one client.
    pub(super) client: ClientAlive,
}

impl<S> Track<S> {
    inner_service_accessors!();
}

impl<S> Service<Uri> for Track<S>
where
    S: Service<Uri>,
    S::Response: Read + Write + Connection + Unpin + 'static,
    S::Error: Into<BoxError>,
{
    type Response = TrackedIo<S::Response>;
    /// A [`ConnectError`](crate::connect::ConnectError) around the connector's own error.
    type Error = BoxError;
    type Future = TrackFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        let ready = self.inner.poll_ready(cx);
        if ready.is_pending() {
            if let Some(attempt) = Attempt::current() {
                attempt.io().awaits_connector();
            }
        }
        ready.map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let attempt = Attempt::current();
        let origin = self.registry.origin(&uri);
        let setup = Setup::start(origin, attempt.as_ref(), self.registry.observers().clone());
        setup.track();
        if self.below_tls {
            setup.leave_tls();
        }
        let inner = {
            let _starting = StartingSetup::new(&setup);
            let _scope = setup.enter();
            self.inner.call(uri)
        };
        let mut timeouts = self.own.unwrap_or_else(|| self.registry.settings().connect);
        if let Some(attempt) = &attempt {
            timeouts.connect = attempt.call().begin_connect(timeouts.connect);
        }
        let opening = Opening {
            registry: self.registry.clone(),
            inspect: self.inspect,
            executor: self.executor,
            client: self.client.watch(),
        };
        TrackFuture::new(inner, setup, attempt, opening, timeouts)
    }
}
