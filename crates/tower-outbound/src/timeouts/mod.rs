//! The timeouts of an attempt and of a connect.

pub(crate) mod attempt;
pub(crate) mod connect;

pub(crate) use self::attempt::cut;
pub use crate::error::{TimeoutError, TimeoutKind};
pub use crate::settings::Timeouts;
