use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tokio::time::Instant;

use crate::error::{BoxError, PhaseError};
use crate::event::ConnectResult;
use crate::failure::{Failure, Phase};
use crate::record::Setup;

#[derive(Clone, Copy, Debug)]
pub(super) enum Running {
    /// A phase, and the phase around it.
    Phase(Phase, Option<Phase>),
    /// The whole connect.
    Connect,
}

pin_project! {
    /// Future of a [`PhaseTimer`](super::PhaseTimer).
    ///
    /// # Cancel safety
    /// Dropping it drops the inner future: a TCP connect or handshake is aborted and its socket closed. A dropped phase
    /// is not reported; a dropped whole connect is reported as cancelled.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct PhaseFuture<F> {
        #[pin]
        inner: Option<F>,
        setup: Option<Setup>,
        running: Running,
        start: Instant,
    }

    impl<F> PinnedDrop for PhaseFuture<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            // Before the setup ends, since the inner future reports its dropped addresses to the setup.
            this.inner.set(None);
            if let (Some(setup), Running::Connect) = (this.setup.take(), &this.running) {
                setup.finish(ConnectResult::Cancelled);
            }
        }
    }
}

impl<F> PhaseFuture<F> {
    pub(super) fn new(inner: F, setup: Option<Setup>, running: Running, start: Instant) -> Self {
        Self { inner: Some(inner), setup, running, start }
    }
}

impl<F, T, E> Future for PhaseFuture<F>
where
    F: Future<Output = Result<T, E>>,
    E: Into<BoxError>,
{
    type Output = Result<T, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let inner = this.inner.as_pin_mut().expect("only the drop takes it");
        let result = match (&this.setup, &this.running) {
            (Some(setup), Running::Connect) => {
                let _scope = setup.enter();
                ready!(inner.poll(cx))
            }
            _ => ready!(inner.poll(cx)),
        };
        let result = match (result, *this.running) {
            (Ok(response), _) => Ok(response),
            (Err(error), Running::Phase(phase, _)) => {
                Err(BoxError::from(PhaseError::new(phase, error.into())))
            }
            (Err(error), Running::Connect) => Err(error.into()),
        };
        if let Some(setup) = this.setup.take() {
            let failure = result.as_ref().err().map(|error| Failure::of(&**error));
            match this.running {
                // The phase inside has failed, not this one.
                Running::Phase(phase, _)
                    if failure.as_ref().is_some_and(|failure| failure.phase() != Some(*phase)) => {}
                Running::Phase(phase, outer) => {
                    let start = setup.last_end_since(*this.start).unwrap_or(*this.start);
                    setup.end_phase(*phase, start, Instant::now(), failure.as_ref());
                    setup.resume_phase(*outer);
                }
                Running::Connect => match failure {
                    Some(failure) => {
                        setup.finish(ConnectResult::Failed(&failure.in_setup(setup.running_phase())));
                    }
                    None => setup.finish(ConnectResult::Untracked),
                },
            }
        }
        Poll::Ready(result)
    }
}
