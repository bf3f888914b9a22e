//! The events that the layers emit.
//!
//! | start | its end |
//! | --- | --- |
//! | [`CallStarted`](Event::CallStarted) | [`CallEnded`](Event::CallEnded) |
//! | [`AttemptStarted`](Event::AttemptStarted) | [`AttemptEnded`](Event::AttemptEnded) |
//! | [`ConnectStarted`](Event::ConnectStarted) | [`ConnectEnded`](Event::ConnectEnded) |
//! | [`BackoffStarted`](Event::BackoffStarted) | [`BackoffEnded`](Event::BackoffEnded) |
//! | [`ConnectionOpened`](Event::ConnectionOpened) | [`ConnectionClosed`](Event::ConnectionClosed) |
//! | [`ConnectionRetired`](Event::ConnectionRetired) | the same [`ConnectionClosed`](Event::ConnectionClosed) |
//! | [`ConnectionWaiting`](Event::ConnectionWaiting) | [`ConnectionWaited`](Event::ConnectionWaited) |
//! | [`SlotWaiting`](Event::SlotWaiting) | [`SlotWaited`](Event::SlotWaited) |
//! | [`SlotTaken`](Event::SlotTaken) | [`SlotReturned`](Event::SlotReturned) |
//! | [`SlotsOpened`](Event::SlotsOpened) | [`SlotsClosed`](Event::SlotsClosed) |
//! | [`OperationStarted`](Event::OperationStarted) | [`OperationEnded`](Event::OperationEnded) |
//! | [`StepStarted`](Event::StepStarted) | [`StepEnded`](Event::StepEnded) |
//!
//! Every start has exactly one end: on success, on an error, on a drop at any await point, on a drop of the body at any
//! frame, and when the inner service panics. Phases and address attempts have one event, at their end.
//!
//! The `Debug` and `Display` output of an event has no path, query or header.

#[expect(clippy::module_inception, reason = "the folder is named after its main type")]
mod event;
mod gate;
pub(crate) mod log;
mod observer;
mod request;
mod warning;

pub use self::event::{ConnectResult, Event, Outcome};
pub use self::observer::Observer;
pub(crate) use self::observer::{Observers, ObserversBuilder};
pub use self::request::{RequestHead, ResponseHead};
pub use self::warning::StackWarning;
pub(crate) use self::warning::Warnings;
pub use super::ObserverKey;
pub use crate::settings::{Detail, MetricDetail, PhaseDetail};
