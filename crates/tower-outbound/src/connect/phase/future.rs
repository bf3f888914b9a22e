use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use tokio::time::Instant;

use crate::error::{BoxError, PhaseError};
use crate::event::ConnectResult;
use crate::failure::{Failure, Phase};
use crate::record::Setup;

/// What is timed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Timed {
    /// A phase, and the one around it.
    Phase(Phase, Option<Phase>),
    /// The whole connect.
    Whole,
}

pin_project! {
    /// The future of a timed stage.
    ///
    /// # Cancel safety
    /// Dropping it drops the stage's future: a TCP connect or handshake is given up and its socket closed.
    /// A dropped stage is no phase; a dropped whole connect ends as cancelled.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct PhaseFuture<F> {
        #[pin]
        inner: Option<F>,
        setup: Option<Setup>,
        timed: Timed,
        start: Instant,
    }

    impl<F> PinnedDrop for PhaseFuture<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            // First what is inside: the addresses that it gives up belong to the setup.
            this.inner.set(None);
            if let (Some(setup), Timed::Whole) = (this.setup.take(), &this.timed) {
                setup.finish(ConnectResult::Cancelled);
            }
        }
    }
}

impl<F> PhaseFuture<F> {
    pub(super) fn new(inner: F, setup: Option<Setup>, timed: Timed, start: Instant) -> Self {
        Self { inner: Some(inner), setup, timed, start }
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
        let result = match (&this.setup, &this.timed) {
            (Some(setup), Timed::Whole) => {
                let _scope = setup.enter();
                ready!(inner.poll(cx))
            }
            _ => ready!(inner.poll(cx)),
        };
        let result = match (result, *this.timed) {
            (Ok(response), _) => Ok(response),
            (Err(error), Timed::Phase(phase, _)) => Err(BoxError::from(PhaseError::new(phase, error.into()))),
            (Err(error), Timed::Whole) => Err(error.into()),
        };
        if let Some(setup) = this.setup.take() {
            let failure = result.as_ref().err().map(|error| Failure::of(&**error));
            match this.timed {
                // A failure of the stage inside is that stage's, not this one's.
                Timed::Phase(phase, _)
                    if failure.as_ref().is_some_and(|failure| failure.phase() != Some(*phase)) => {}
                Timed::Phase(phase, outer) => {
                    let start = setup.last_end_since(*this.start).unwrap_or(*this.start);
                    setup.end_phase(*phase, start, Instant::now(), failure.as_ref());
                    setup.resume_phase(*outer);
                }
                Timed::Whole => match failure {
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
