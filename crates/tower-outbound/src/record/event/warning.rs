//! Warnings about an incomplete stack, emitted once each.

use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};

/// A part of the stack is missing or misplaced, or a request contradicts itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StackWarning {
    /// An attempt was served by a connection that is not tracked.
    Untracked,
    /// Tracked connections are used, but no attempt is observed.
    Unobserved,
    /// A request passes two observe layers.
    ObservedTwice,
    /// The retry layer is below the observe layer.
    RetryInsideObserve,
    /// A request passes two retry layers.
    RetriedTwice,
    /// A request that no connection took was given up, and another tokio runtime has a connection to its origin.
    OtherRuntime,
    /// reqwest sent a request that no layer has seen.
    Bypassed,
    /// A gRPC request has a `grpc-timeout` that is no time. It is sent as it is, and has no deadline by it.
    InvalidTimeout,
}

impl StackWarning {
    fn bit(self) -> u8 {
        match self {
            Self::Untracked => 1,
            Self::Unobserved => 2,
            Self::ObservedTwice => 4,
            Self::RetryInsideObserve => 8,
            Self::RetriedTwice => 16,
            Self::OtherRuntime => 32,
            Self::Bypassed => 64,
            Self::InvalidTimeout => 128,
        }
    }
}

impl fmt::Display for StackWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Untracked => {
                "an attempt was served by a connection that is not tracked, so its reuse and setup are unknown: \
                 wrap the client's connector with `outbound.connector(..)`"
            }
            Self::Unobserved => {
                "a tracked connection is used, but no attempt is seen, so nothing is known of its requests: \
                 put `outbound.layer()` around the client"
            }
            Self::ObservedTwice => {
                "a request passes two observe layers and is counted twice: remove one `outbound.layer()`"
            }
            Self::RetryInsideObserve => {
                "the retry layer is below the observe layer, so its retries are one attempt and nothing proves what \
                 was sent: use `outbound.layer()`, which has both in their order"
            }
            Self::RetriedTwice => {
                "a request passes two retry layers, so that their retries multiply: remove one (`outbound.layer()` has it, \
                 and so has the client of `outbound.client()`)"
            }
            Self::OtherRuntime => {
                "a request was given up that no connection has taken, and another tokio runtime has a connection to its \
                 origin: a connection only sends while its runtime runs, so use one client per runtime"
            }
            Self::Bypassed => {
                "reqwest sent a request past the layers, so nothing is known of it: send it with `client.get(url).send()` or \
                 `client.execute(request)` instead of `client.get_ref().get(url).send()`"
            }
            Self::InvalidTimeout => {
                "the `grpc-timeout` of a request is no time (at most 8 digits and one of H, M, S, m, u, n), so it is no deadline \
                 of the call"
            }
        })
    }
}

/// Which warnings were emitted.
#[derive(Debug, Default)]
pub(crate) struct Warnings(AtomicU8);

impl Warnings {
    /// Whether this is the first warning of its kind.
    pub(crate) fn first(&self, warning: StackWarning) -> bool {
        self.0.fetch_or(warning.bit(), Ordering::Relaxed) & warning.bit() == 0
    }
}
