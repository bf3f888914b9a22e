//! [`RunningPhase`]: reports a phase to the setup, if there is one.

use tokio::time::Instant;

use crate::failure::{Failure, Phase};
use crate::record::Setup;

/// A phase that has begun. Dropped before its end, the phase is not reported.
pub(super) struct RunningPhase<'a> {
    setup: Option<&'a Setup>,
    phase: Phase,
    outer: Option<Phase>,
    /// Whether the setup had this phase before.
    repeated: bool,
    start: Instant,
}

impl<'a> RunningPhase<'a> {
    pub(super) fn begin(setup: Option<&'a Setup>, phase: Phase) -> Self {
        let outer = setup.and_then(|setup| setup.begin_phase(phase));
        let repeated = setup.is_some_and(|setup| setup.has_phase(phase));
        Self { setup, phase, outer, repeated, start: Instant::now() }
    }

    pub(super) fn end(self, failure: Option<&Failure>) {
        let Some(setup) = self.setup else { return };
        // A resolver inside a `PhaseLayer` has reported its phase itself.
        if self.repeated || !setup.has_phase(self.phase) {
            setup.end_phase(self.phase, self.start, Instant::now(), failure);
        }
        setup.resume_phase(self.outer);
    }
}
