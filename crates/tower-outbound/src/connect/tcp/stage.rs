//! What the setup above is told of a stage, where there is one.

use tokio::time::Instant;

use crate::failure::{Failure, Phase};
use crate::record::Setup;

/// A stage that runs. Dropped without an end it is no phase.
pub(super) struct Stage<'a> {
    setup: Option<&'a Setup>,
    phase: Phase,
    around: Option<Phase>,
    /// Whether the setup had such a phase before.
    had: bool,
    start: Instant,
}

impl<'a> Stage<'a> {
    pub(super) fn begin(setup: Option<&'a Setup>, phase: Phase) -> Self {
        let around = setup.and_then(|setup| setup.begin_phase(phase));
        let had = setup.is_some_and(|setup| setup.has_phase(phase));
        Self { setup, phase, around, had, start: Instant::now() }
    }

    pub(super) fn end(self, failure: Option<&Failure>) {
        let Some(setup) = self.setup else { return };
        // A resolver that is inside a `PhaseLayer` has told its phase itself.
        if self.had || !setup.has_phase(self.phase) {
            setup.end_phase(self.phase, self.start, Instant::now(), failure);
        }
        setup.resume_phase(self.around);
    }
}
