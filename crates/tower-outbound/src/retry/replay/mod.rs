//! What a call stores so that its request can be sent again.
//!
//! The stored request lives inside the allocation of the [`Call`](crate::Call), so that a retry layer adds no
//! allocation of its own:
//!
//! ```text
//!  Arc allocation, made by Call::with_storage::<ReplayState<B>>()
//!  ┌──────────────────────────────────────────────────────────┐
//!  │ id, start, attempts, deadline, observer state, …         │ ◄── Call: Arc<Inner<dyn Send + Sync>>
//!  ├──────────────────────────────────────────────────────────┤     type-erased: in the request's extensions,
//!  │ storage: ReplayState<B>                                  │     in events, in attempts, in errors
//!  │ ├─ headers: Mutex<HeaderSnapshot>  256 bytes inline      │
//!  │ └─ body: ReplayBuffer<B>                                 │ ◄── CallStorage<ReplayState<B>>: Arc<Inner<..>>
//!  │    ├─ live body B, until the last lease of it is dropped │     typed: in RetryCall, and in each LeasedBody
//!  │    └─ stored frames, up to replay_up_to bytes            │
//!  └──────────────────────────────────────────────────────────┘
//! ```
//!
//! A `Call` may outlive its request by far (an observer or the caller's [`Timings`](crate::Timings) keep it), so
//! [`ReplayState`] is emptied when the call ends instead of being dropped with it.
//!
//! A layer above may have put a `Call` of its own into the request's extensions. Such a call has no storage. The retry
//! layer then allocates a second call for its storage alone; nothing else ever sees that second call.
//!
//! The rest of the request ([`RequestParts`]) is small and not shared, so `RetryCall` owns it.

mod body;
mod body_state;
mod buffer;
mod headers;
mod lease;
mod parts;
mod state;

pub use self::body::LeasedBody;
pub use self::lease::{Lease, PassThrough};
pub(super) use self::parts::RequestParts;
pub(super) use self::state::ReplayState;
