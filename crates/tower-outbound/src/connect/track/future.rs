use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Extensions;
use hyper::rt::{Read, Write};
use hyper_util::client::legacy::connect::{Connection as Connect, HttpInfo};
use pin_project_lite::pin_project;
use tokio::time::Instant;

use super::TrackedIo;
use super::guard::ClientWatch;
use super::layer::{InspectStream, Transport};
use super::traffic::Traffic;
use crate::error::{BoxError, ConnectError};
use crate::event::ConnectResult;
use crate::failure::{Failure, Phase};
use crate::foreign::ExecutorId;
use crate::record::{Attempt, Connection, Protocol, Registry, Setup};
use crate::settings::ConnectTimeouts;
use crate::timeouts::ConnectTimers;

pin_project! {
    /// The future of a tracked connect.
    ///
    /// # Cancel safety
    /// Dropping the future drops the connector's future and closes its socket. The connect ends as cancelled. A timeout does
    /// the same, but the connect ends as failed.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct TrackFuture<F> {
        #[pin]
        inner: Option<F>,
        setup: Setup,
        attempt: Option<Attempt>,
        opening: Opening,
        watch: ConnectTimers,
    }

    impl<F> PinnedDrop for TrackFuture<F> {
        fn drop(this: Pin<&mut Self>) {
            // The inner future first: the addresses that it abandons are part of the setup.
            let mut this = this.project();
            this.inner.set(None);
            this.setup.finish(ConnectResult::Cancelled);
        }
    }
}

impl<F> TrackFuture<F> {
    pub(super) fn new(
        inner: F,
        setup: Setup,
        attempt: Option<Attempt>,
        opening: Opening,
        timeouts: ConnectTimeouts,
    ) -> Self {
        Self { inner: Some(inner), setup, attempt, opening, watch: ConnectTimers::new(timeouts) }
    }
}

impl<F, T, E> Future for TrackFuture<F>
where
    F: Future<Output = Result<T, E>>,
    T: Read + Write + Connect + Unpin + 'static,
    E: Into<BoxError>,
{
    type Output = Result<TrackedIo<T>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let polled = {
            let _scope = this.setup.enter();
            this.inner.as_mut().as_pin_mut().expect("there until it is ready").poll(cx)
        };
        let result = match polled {
            Poll::Ready(result) => result.map_err(|error| {
                let error = error.into();
                (Failure::of(&*error).in_setup(this.setup.running_phase()), error)
            }),
            Poll::Pending => {
                let Some(hit) = this.watch.poll(this.setup, cx) else { return Poll::Pending };
                let failure = Failure::of(&hit).in_setup(this.setup.running_phase());
                // Close the socket before the failure is reported.
                this.inner.set(None);
                Err((failure, BoxError::from(hit)))
            }
        };
        let at = Instant::now();
        Poll::Ready(match result {
            Ok(io) => {
                end_tls(this.setup, at, None);
                let transport = (this.opening.inspect)(&io);
                let plain = matches!(transport, Transport::Plain);
                let connection = this.opening.open(this.setup, this.watch.timeouts(), &io, transport, at);
                this.setup.finish(ConnectResult::Connected(&connection));
                if let Some(attempt) = this.attempt.take() {
                    attempt.io().setup_connected(this.setup, &connection);
                }
                let idle = this.watch.timeouts().idle;
                let idle = idle.unwrap_or_else(|| this.opening.registry.settings().idle_timeout);
                let Opening { executor, client, .. } = this.opening;
                let traffic = Traffic::new(connection, plain, *executor, idle, client.clone());
                Ok(TrackedIo::new(io, traffic))
            }
            Err((failure, error)) => {
                end_tls(this.setup, at, Some(&failure));
                this.setup.finish(ConnectResult::Failed(&failure));
                Err(ConnectError::new(failure, error).into())
            }
        })
    }
}

/// Ends the phase of the TLS handshake, which follows TCP and tunnel if these are visible and nothing else timed it.
fn end_tls(setup: &Setup, at: Instant, failure: Option<&Failure>) {
    if !setup.has_tls() || setup.has_phase(Phase::Tls) {
        return;
    }
    let phases = setup.phases();
    let sound = phases.iter().all(|ended| ended.failure.is_none());
    let seen = phases.iter().filter(|ended| matches!(ended.phase, Phase::Tcp | Phase::Tunnel));
    if let Some(start) = seen.map(|ended| ended.end).max().filter(|_| sound) {
        setup.end_phase(Phase::Tls, start, at, failure);
    }
}

/// What a new connection is made with.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) registry: Registry,
    pub(super) inspect: InspectStream,
    pub(super) executor: Option<ExecutorId>,
    pub(super) client: ClientWatch,
}

impl Opening {
    fn open<T: Connect>(
        &self,
        setup: &Setup,
        limits: &ConnectTimeouts,
        io: &T,
        transport: Transport,
        at: Instant,
    ) -> Connection {
        let connected = io.connected();
        let mut extras = Extensions::new();
        connected.get_extras(&mut extras);
        let info = extras.get::<HttpInfo>();
        let (local, peer) = (info.map(HttpInfo::local_addr), info.map(HttpInfo::remote_addr));
        if let Some(peer) = peer {
            setup.set_peer(peer);
        }
        if let Transport::Tls(info) = transport {
            setup.set_tls(info);
        }
        let protocol = connected.is_negotiated_h2().then_some(Protocol::Http2);
        Connection::open(&self.registry, setup.clone(), local, peer, protocol, limits.silent_attempts, at)
    }
}
