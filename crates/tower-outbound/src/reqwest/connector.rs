use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hyper_util::client::legacy::connect::Connection as Connect;
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tower_layer::Layer;
use tower_service::Service;

use super::ReqwestService;
use crate::error::{BoxError, ConnectError};
use crate::event::ConnectResult;
use crate::failure::Failure;
use crate::foreign::{SocketPairs, pair_of};
use crate::record::{Attempt, Connection, Protocol, Registry, Setup};
use crate::settings::ConnectTimeouts;
use crate::timeouts::connect::Watch;

/// For reqwest's `connector_layer`: tells of each connect, limits its time, and remembers which connection it has made;
/// from [`Outbound::reqwest_connector`](crate::Outbound::reqwest_connector).
///
/// The connections are not [tracked](Connection::is_tracked): reqwest lets nobody wrap them. They are known by the pair of
/// their socket addresses; at least the last 1,024 of a client are remembered, and the reuse of an older one is
/// [unknown](crate::Reuse::Unknown). Behind a proxy the peer's address is the proxy's.
///
/// Only connects that an attempt makes run are told and limited: what goes to the `reqwest::Client` itself is left
/// alone. reqwest does not say where to: it is where the attempt goes, also while a redirect is followed.
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing unless put around a service"]
pub struct ReqwestConnectorLayer {
    registry: Registry,
    sockets: SocketPairs,
}

impl ReqwestConnectorLayer {
    pub(super) fn new(registry: Registry) -> Self {
        Self { registry, sockets: SocketPairs::new() }
    }

    /// The service of the client that was built with this layer.
    #[must_use]
    pub fn service(&self, client: reqwest::Client) -> ReqwestService {
        ReqwestService::new(client, self.sockets.clone())
    }
}

impl<S> Layer<S> for ReqwestConnectorLayer {
    type Service = ReqwestConnector<S>;

    fn layer(&self, inner: S) -> ReqwestConnector<S> {
        ReqwestConnector { inner, layer: self.clone() }
    }
}

/// reqwest's connector under a [`ReqwestConnectorLayer`].
#[derive(Clone, Debug)]
pub struct ReqwestConnector<S> {
    inner: S,
    layer: ReqwestConnectorLayer,
}

impl<S, Dst> Service<Dst> for ReqwestConnector<S>
where
    S: Service<Dst>,
    S::Response: Connect,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    /// A [`ConnectError`] around reqwest's own error; boxed, since reqwest demands just that.
    type Error = BoxError;
    type Future = ReqwestConnecting<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, to: Dst) -> Self::Future {
        let ReqwestConnectorLayer { registry, sockets } = &self.layer;
        registry.see_connection();
        let told = Attempt::current().map(|attempt| {
            let observers = registry.observers().clone();
            let setup = Setup::start(attempt.origin().clone(), Some(&attempt), observers);
            // The handshake cannot be seen.
            let timeouts = ConnectTimeouts { tls: std::time::Duration::ZERO, ..registry.settings().connect };
            Told { setup, attempt, registry: registry.clone(), watch: Watch::new(timeouts) }
        });
        let inner = {
            let _scope = told.as_ref().map(|told| told.setup.enter());
            self.inner.call(to)
        };
        ReqwestConnecting { inner: Some(inner), told, sockets: sockets.clone() }
    }
}

#[derive(Debug)]
struct Told {
    setup: Setup,
    attempt: Attempt,
    registry: Registry,
    watch: Watch,
}

pin_project! {
    /// The future of a connect by reqwest.
    ///
    /// # Cancel safety
    /// Dropping it drops reqwest's future: the connect is given up and its socket closed. It ends as cancelled. A time
    /// limit that is hit does the same, but the connect ends as failed.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct ReqwestConnecting<F> {
        #[pin]
        inner: Option<F>,
        told: Option<Told>,
        sockets: SocketPairs,
    }

    impl<F> PinnedDrop for ReqwestConnecting<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            // The socket is closed before anybody is told.
            this.inner.set(None);
            if let Some(told) = this.told {
                told.setup.finish(ConnectResult::Cancelled);
            }
        }
    }
}

impl<F, T, E> Future for ReqwestConnecting<F>
where
    F: Future<Output = Result<T, E>>,
    T: Connect,
    E: Into<BoxError>,
{
    type Output = Result<T, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let mut inner = this.inner.as_mut().as_pin_mut().expect("there until it is ready");
        let Some(told) = this.told else {
            let result = ready!(inner.poll(cx));
            if let Some(pair) = result.as_ref().ok().and_then(|io| pair_of(&io.connected())) {
                this.sockets.remove(pair);
            }
            return Poll::Ready(result.map_err(Into::into));
        };
        let polled = {
            let _scope = told.setup.enter();
            inner.as_mut().poll(cx)
        };
        let error = match polled {
            Poll::Ready(Ok(io)) => {
                told.connected(&io, this.sockets);
                return Poll::Ready(Ok(io));
            }
            Poll::Ready(Err(error)) => error.into(),
            Poll::Pending => match told.watch.poll(&told.setup, cx) {
                Some(hit) => BoxError::from(hit),
                None => return Poll::Pending,
            },
        };
        let failure = Failure::of(&*error).in_setup(told.setup.running_phase());
        this.inner.set(None);
        told.setup.finish(ConnectResult::Failed(&failure));
        Poll::Ready(Err(ConnectError::new(failure, error).into()))
    }
}

impl Told {
    fn connected(&self, io: &impl Connect, sockets: &SocketPairs) {
        let (at, setup) = (Instant::now(), &self.setup);
        let connected = io.connected();
        // A Unix socket has no addresses: nothing can be known of it.
        let Some(pair) = pair_of(&connected) else {
            return setup.finish(ConnectResult::Untracked);
        };
        setup.set_peer(pair.1);
        let protocol = connected.is_negotiated_h2().then_some(Protocol::Http2);
        // In the attempt's own poll it is handed to that attempt. A connect that ends elsewhere has lost the race
        // against an idle connection, and its connection goes to whoever comes.
        let awaited = Attempt::current().is_some_and(|current| current.id() == self.attempt.id());
        let connection = Connection::untracked(&self.registry, setup.clone(), pair, protocol, awaited, at);
        sockets.add(pair, connection.clone());
        setup.finish(ConnectResult::Untracked);
        self.attempt.io().setup_connected(setup, &connection);
    }
}
