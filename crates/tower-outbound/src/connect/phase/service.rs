use std::task::{Context, Poll};

use tokio::time::Instant;
use tower_service::Service;

use super::PhaseFuture;
use super::future::Running;
use super::layer::Timed;
use crate::error::{BoxError, PhaseError};
use crate::record::{Attempt, Setup};
use crate::util::inner_service_accessors;

/// Middleware that times a phase: see [`PhaseLayer`](super::PhaseLayer).
#[derive(Clone, Debug)]
pub struct PhaseTimer<S> {
    pub(super) inner: S,
    pub(super) timed: Timed,
}

impl<S> PhaseTimer<S> {
    inner_service_accessors!();
}

impl<S, Dst> Service<Dst> for PhaseTimer<S>
where
    S: Service<Dst>,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    /// A boxed [`PhaseError`] around the inner error. Boxed, since reqwest requires that type.
    type Error = BoxError;
    type Future = PhaseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(|error| match &self.timed {
            Timed::Phase(phase) => PhaseError::new(*phase, error.into()).into(),
            Timed::Connect(_) => error.into(),
        })
    }

    fn call(&mut self, dst: Dst) -> Self::Future {
        let start = Instant::now();
        match &self.timed {
            Timed::Phase(phase) => {
                let setup = Setup::current();
                let outer = setup.as_ref().and_then(|setup| setup.begin_phase(*phase));
                PhaseFuture::new(self.inner.call(dst), setup, Running::Phase(*phase, outer), start)
            }
            Timed::Connect(registry) => {
                registry.see_connection();
                let attempt = Attempt::current();
                let setup = attempt.as_ref().map(|attempt| {
                    Setup::start(attempt.origin().clone(), Some(attempt), registry.observers().clone())
                });
                let inner = {
                    let _scope = setup.as_ref().map(Setup::enter);
                    self.inner.call(dst)
                };
                PhaseFuture::new(inner, setup, Running::Connect, start)
            }
        }
    }
}
