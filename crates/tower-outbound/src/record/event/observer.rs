//! Observers, and the protection of requests from their panics.

use std::any::type_name;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{fmt, mem};

use http::HeaderMap;

use super::gate::Gate;
use crate::event::Event;
use crate::record::{Attempt, StepRun};
use crate::settings::{Detail, TelemetrySettings};

/// Receives the events of the layers.
///
/// Observers are called in the task of the event, concurrently, and often inside a poll: they must not block or panic. An
/// observer that panics is not called again; the request goes on.
///
/// # Example
/// ```
/// use tower_outbound::{Event, Outbound};
///
/// let outbound = Outbound::builder()
///     .observer(|event: &Event<'_>| {
///         if let Event::AttemptEnded { attempt, .. } = event {
///             println!("{}", attempt.timings());
///         }
///     })
///     .build();
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an observer",
    label = "neither a closure of one `&Event<'_>`, nor `OtelObserver::new()`, nor another type that implements `Observer`",
    note = "a closure names the type of its argument: `|event: &tower_outbound::Event<'_>| ..`, and returns `()`"
)]
pub trait Observer: Send + Sync + 'static {
    /// Called for each event.
    fn on_event(&self, event: &Event<'_>);

    /// Called once per attempt, after its start event and before the client is called. Writes headers such as the trace
    /// context.
    fn on_request(&self, attempt: &Attempt, headers: &mut HeaderMap) {
        let _ = (attempt, headers);
    }

    /// Called for each poll of the future of a step of an [`Operation`](crate::operation::Operation). Calls `poll` once, and
    /// makes current around it what calls inside the step are to find, such as a trace context.
    fn on_step_poll(&self, step: &StepRun, poll: &mut dyn FnMut()) {
        let _ = step;
        poll();
    }

    /// Whether [`on_event`](Self::on_event) is called for [`Event::AttemptPhase`], of which each attempt has up to six. Asked
    /// once. Default: `true`.
    ///
    /// At the end of an attempt, its [timings](Attempt::timings) have every phase. An observer that reads them there returns
    /// `false`, and saves what the events cost.
    fn wants_attempt_phases(&self) -> bool {
        true
    }

    /// How much is to be recorded from now on, at most. Called when the stack is built, and when its settings change.
    fn on_detail(&self, detail: &Detail) {
        let _ = detail;
    }
}

impl<F: Fn(&Event<'_>) + Send + Sync + 'static> Observer for F {
    fn on_event(&self, event: &Event<'_>) {
        self(event);
    }
}

/// The observers of a stack. Each event goes to all of them.
#[derive(Clone, Default)]
pub(crate) struct Observers {
    list: Arc<[Guarded]>,
    gate: Arc<Gate>,
}

struct Guarded {
    observer: Arc<dyn Observer>,
    name: &'static str,
    wants_attempt_phases: bool,
    dead: AtomicBool,
}

impl Observers {
    /// Whether any observer or the log receives events.
    #[inline]
    pub(crate) fn are_listening(&self) -> bool {
        !self.list.is_empty() || super::log::is_on()
    }

    #[inline]
    pub(crate) fn emit(&self, event: &Event<'_>) {
        if self.are_listening() {
            self.notify(event);
        }
    }

    fn notify(&self, event: &Event<'_>) {
        // A call that failed after retries is logged as a warning.
        if super::log::is_on() || matches!(event, Event::CallEnded { .. }) {
            super::log::event(event);
        }
        if !self.list.is_empty() && self.gate.passes(event) {
            for guarded in &*self.list {
                guarded.call(|observer| observer.on_event(event));
            }
        }
    }

    /// Takes the switches of the settings. Returns whether observers get what starts again.
    pub(crate) fn switch(&self, settings: &TelemetrySettings) -> bool {
        for guarded in &*self.list {
            guarded.call(|observer| observer.on_detail(&settings.detail));
        }
        self.gate.set(settings.observe) && settings.observe
    }

    /// Whether any observer or the log receives the phases of attempts.
    pub(crate) fn want_attempt_phases(&self) -> bool {
        super::log::shows_phases() || self.list.iter().any(|guarded| guarded.wants_attempt_phases)
    }

    /// Emits a phase of an attempt.
    pub(crate) fn emit_attempt_phase(&self, event: &Event<'_>) {
        if super::log::shows_phases() {
            super::log::event(event);
        }
        let wanting = self.list.iter().filter(|guarded| guarded.wants_attempt_phases);
        if self.list.is_empty() || !self.gate.passes(event) {
            return;
        }
        for guarded in wanting {
            guarded.call(|observer| observer.on_event(event));
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Calls `poll` once, inside of every observer.
    pub(crate) fn poll_step(&self, step: &StepRun, poll: &mut dyn FnMut()) {
        poll_inside_of(&self.list, step, poll);
    }

    pub(crate) fn request(&self, attempt: &Attempt, headers: &mut HeaderMap) {
        if attempt.states().is_unobserved() {
            return;
        }
        for guarded in &*self.list {
            guarded.call(|observer| observer.on_request(attempt, headers));
        }
    }
}

/// `poll` must not panic: its panic would be taken for one of the observer.
fn poll_inside_of(observers: &[Guarded], step: &StepRun, poll: &mut dyn FnMut()) {
    let Some((outer, inner)) = observers.split_first() else { return poll() };
    let mut polled = false;
    let mut once = || {
        if !mem::replace(&mut polled, true) {
            poll_inside_of(inner, step, poll);
        }
    };
    outer.call(|observer| observer.on_step_poll(step, &mut once));
    // The observer is dead, panicked first, or forgot it.
    once();
}

impl Guarded {
    fn call(&self, f: impl FnOnce(&dyn Observer)) {
        if self.dead.load(Ordering::Relaxed) {
            return;
        }
        // The observer may be in an inconsistent state: it is not called again.
        if catch_unwind(AssertUnwindSafe(|| f(&*self.observer))).is_err()
            && !self.dead.swap(true, Ordering::Relaxed)
        {
            super::log::observer_panicked(self.name);
        }
    }
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.list.iter().map(|guarded| guarded.name)).finish()
    }
}

/// Collects the observers until they are shared.
#[derive(Default)]
pub(crate) struct ObserversBuilder(Vec<Guarded>);

impl ObserversBuilder {
    pub(crate) fn push<O: Observer>(&mut self, observer: O) {
        let (wants_attempt_phases, dead) = (observer.wants_attempt_phases(), AtomicBool::new(false));
        let observer = Arc::new(observer);
        self.0.push(Guarded { observer, name: type_name::<O>(), wants_attempt_phases, dead });
    }

    pub(crate) fn build(self) -> Observers {
        Observers { list: self.0.into(), gate: Arc::default() }
    }
}

impl fmt::Debug for ObserversBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|guarded| guarded.name)).finish()
    }
}
