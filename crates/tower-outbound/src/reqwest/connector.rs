use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use hyper_util::client::legacy::connect::Connection as Connect;
use pin_project_lite::pin_project;
use tokio::time::Instant;
use tower_layer::Layer;
use tower_service::Service;

use super::ReqwestService;
use crate::error::{BoxError, ConnectError, TimeoutError};
use crate::event::{ConnectResult, StackWarning};
use crate::failure::Failure;
use crate::foreign::{SocketPairs, pair_of};
use crate::record::{Attempt, Connection, Protocol, Registry, Setup, StartingSetup};
use crate::settings::ConnectTimeouts;
use crate::timeouts::ConnectTimers;
use crate::util::inner_service_accessors;

/// A layer for reqwest's `connector_layer`: it reports each connect, bounds its time, and remembers the socket addresses of
/// each connection. From [`Outbound::reqwest_connector`](crate::Outbound::reqwest_connector).
///
/// The connections are not [tracked](Connection::is_tracked), since reqwest does not allow its IO to be wrapped. At least
/// the last 1,024 connections of a client are remembered; the reuse of an older one is
/// [unknown](crate::Reuse::Unknown). Behind a proxy, the peer's address is that of the proxy.
///
/// A connect outside of an attempt, for a request that goes to the `reqwest::Client` directly, is neither reported nor
/// bounded; the log warns of it once. reqwest does not expose the target of a connect: the origin is that of the attempt, even when reqwest follows
/// a redirect.
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing unless put around a service"]
pub struct ReqwestConnectorLayer {
    registry: Registry,
    sockets: SocketPairs,
    reports_redirects: Arc<AtomicBool>,
}

impl ReqwestConnectorLayer {
    pub(super) fn new(registry: Registry) -> Self {
        Self { registry, sockets: SocketPairs::new(), reports_redirects: Arc::default() }
    }

    /// The service of the client that is built with this layer.
    #[must_use]
    pub fn service(&self, client: reqwest::Client) -> ReqwestService {
        ReqwestService::new(client, self.sockets.clone(), self.reports_redirects.load(Ordering::Relaxed))
    }

    /// For reqwest's `ClientBuilder::retry`: reqwest retries nothing, and tells the layers which requests follow a redirect.
    /// So a request that an HTTP/2 peer refused is retried by the [retry layer](crate::Outbound::retry_layer), and a request
    /// that reqwest's own `send()` sends past the layers is warned of.
    ///
    /// Call it before [`service`](Self::service), and give its result to the client of that service.
    #[must_use]
    pub fn no_retries(&self) -> reqwest::retry::Builder {
        self.reports_redirects.store(true, Ordering::Relaxed);
        let registry = self.registry.clone();
        // reqwest asks only about requests whose body it can clone: no first request of a `ReqwestService` is among them.
        reqwest::retry::never().classify_fn(move |request| {
            match Attempt::current() {
                Some(attempt) => attempt.request_body().redirected(),
                None => registry.warn(StackWarning::Bypassed),
            }
            request.success()
        })
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

impl<S> ReqwestConnector<S> {
    inner_service_accessors!();
}

impl<S, Dst> Service<Dst> for ReqwestConnector<S>
where
    S: Service<Dst>,
    S::Response: Connect,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    /// A [`ConnectError`] with reqwest's error as source; boxed, since reqwest asks for a `BoxError`.
    type Error = BoxError;
    type Future = ReqwestConnecting<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, to: Dst) -> Self::Future {
        let ReqwestConnectorLayer { registry, sockets, .. } = &self.layer;
        registry.see_connection();
        if Attempt::current().is_none() {
            registry.warn(StackWarning::Bypassed);
        }
        let report = Attempt::current().map(|attempt| {
            let observers = registry.observers().clone();
            let setup = Setup::start(attempt.origin().clone(), Some(&attempt), observers);
            // The start of the handshake is unknown.
            let timeouts = registry.settings().connect;
            let connect = attempt.call().begin_connect(timeouts.connect);
            let timeouts = ConnectTimeouts { connect, tls: std::time::Duration::ZERO, ..timeouts };
            Report { setup, attempt, registry: registry.clone(), watch: ConnectTimers::new(timeouts) }
        });
        let inner = {
            let setup = report.as_ref().map(|report| &report.setup);
            let _starting = setup.map(StartingSetup::new);
            let _scope = setup.map(Setup::enter);
            self.inner.call(to)
        };
        ReqwestConnecting { inner: Some(inner), report, sockets: sockets.clone() }
    }
}

#[derive(Debug)]
struct Report {
    setup: Setup,
    attempt: Attempt,
    registry: Registry,
    watch: ConnectTimers,
}

pin_project! {
    /// The future of a connect by reqwest.
    ///
    /// # Cancel safety
    /// Dropping the future cancels the connect and closes its socket; the connect is reported as cancelled. A timeout does
    /// the same, but the connect is reported as failed.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct ReqwestConnecting<F> {
        #[pin]
        inner: Option<F>,
        report: Option<Report>,
        sockets: SocketPairs,
    }

    impl<F> PinnedDrop for ReqwestConnecting<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            // The socket is closed before its end is reported.
            this.inner.set(None);
            if let Some(report) = this.report {
                report.setup.finish(ConnectResult::Cancelled);
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
        let mut inner = this.inner.as_mut().as_pin_mut().expect("polled after it was ready");
        let Some(report) = this.report else {
            let result = ready!(inner.poll(cx));
            if let Some(pair) = result.as_ref().ok().and_then(|io| pair_of(&io.connected())) {
                this.sockets.remove(pair);
            }
            return Poll::Ready(result.map_err(Into::into));
        };
        let polled = {
            let _scope = report.setup.enter();
            inner.as_mut().poll(cx)
        };
        let error = match polled {
            Poll::Ready(Ok(io)) => {
                report.connected(&io, this.sockets);
                return Poll::Ready(Ok(io));
            }
            Poll::Ready(Err(error)) => error.into(),
            Poll::Pending => match report.watch.poll(&report.setup, cx) {
                Some(elapsed) => BoxError::from(elapsed),
                None => return Poll::Pending,
            },
        };
        let failure = Failure::of(&*error).in_setup(report.setup.running_phase());
        this.inner.set(None);
        report.setup.finish(ConnectResult::Failed(&failure));
        Poll::Ready(Err(ConnectError::new(failure, known_to_reqwest(error)).into()))
    }
}

/// A timeout as the type that reqwest's `is_timeout` looks for.
fn known_to_reqwest(error: BoxError) -> BoxError {
    match error.is::<TimeoutError>() || error.is::<tower::timeout::error::Elapsed>() {
        true => io::Error::new(io::ErrorKind::TimedOut, error).into(),
        false => error,
    }
}

impl Report {
    fn connected(&self, io: &impl Connect, sockets: &SocketPairs) {
        let (at, setup) = (Instant::now(), &self.setup);
        let connected = io.connected();
        // A Unix socket has no addresses, so it cannot be identified.
        let Some(pair) = pair_of(&connected) else {
            return setup.finish(ConnectResult::Untracked);
        };
        setup.set_peer(pair.1);
        let protocol = connected.is_negotiated_h2().then_some(Protocol::Http2);
        // A connect that ends in the poll of its attempt serves that attempt. A connect that ends elsewhere has lost the
        // race against an idle connection: the pool gives its connection to any later request.
        let awaited = Attempt::current().is_some_and(|current| current.id() == self.attempt.id());
        let connection = Connection::untracked(&self.registry, setup.clone(), pair, protocol, awaited, at);
        sockets.add(pair, connection.clone());
        setup.finish(ConnectResult::Untracked);
        self.attempt.io().setup_connected(setup, &connection);
    }
}
