//! Deadlines: the instant by which a call has to end, what its error says, and how it goes from service to service.
//!
//! A [`Deadline`] reaches a call by the request, by a [scope](Deadline::scope) or by an option of the stack: the
//! [layers](crate::Outbound::layer) then end the call in time. [`DeadlineHeaders`] hand the time that is left on to the peer;
//! there, [`IncomingDeadlineLayer`] makes a scope of it, so that the calls of the peer's own handler end in time too. The guide
//! [`docs::deadlines`](crate::docs::deadlines) has them all in one program.
//!
//! [`DeadlineLayer`] is for services without the layers of an [`Outbound`](crate::Outbound).
//!
//! # Differences from `tower::timeout` and `tower_http::timeout`
//! Those bound one request until its response's head. A deadline is an instant, so that several calls, their retries and their
//! bodies share it, and inner deadlines only shorten it.

mod body;
mod future;
mod incoming_body;
mod incoming_future;
mod incoming_layer;
mod incoming_service;
mod layer;
mod service;

pub use self::body::DeadlineBody;
pub use self::future::DeadlineFuture;
pub use self::incoming_body::IncomingDeadlineBody;
pub use self::incoming_future::IncomingDeadlineFuture;
pub use self::incoming_layer::IncomingDeadlineLayer;
pub use self::incoming_service::IncomingDeadline;
pub use self::layer::DeadlineLayer;
pub use self::service::DeadlineService;
pub use crate::error::DeadlineElapsed;
pub use crate::record::{Deadline, DeadlineScope, TimeSplit};
pub use crate::settings::DeadlineHeaders;
