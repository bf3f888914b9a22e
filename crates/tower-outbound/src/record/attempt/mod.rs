//! The attempt: one try of a request, and its response to the end of the body.
//!
//! [`Attempt`] has the public accessors. A layer writes to the record through the handle of its own part: [`AttemptQueue`],
//! [`AttemptRequestBody`], [`AttemptIo`], [`AttemptResponse`]. Everything else is private to `record`.

mod association;
#[expect(clippy::module_inception, reason = "the folder is named after its main type")]
mod attempt;
mod attribution;
mod end;
pub(crate) mod grpc;
mod inner;
mod io;
mod lost;
mod marks;
mod other_runtime;
mod phases;
mod queue;
mod request_body;
mod response;
mod scope;
mod sequence;
mod serving;
mod silence;
mod stream;
mod write_progress;

pub(in crate::record) use self::association::association_reported;
pub use self::attempt::Attempt;
pub(crate) use self::inner::AttemptStart;
use self::io::AttemptIo;
pub(in crate::record) use self::marks::Mark;
pub(in crate::record) use self::phases::current_phase;
use self::queue::AttemptQueue;
use self::request_body::AttemptRequestBody;
use self::response::AttemptResponse;
pub(crate) use self::scope::{AttemptScope, CallHandOver, CallScope, SuspendedCall, WeakAttempt};
pub(crate) use self::sequence::next_sequence;
pub(in crate::record) use self::stream::opened_none_since;
