//! [`Reason`]: why a request counts as failed.

use std::fmt;

use serde::{Serialize, Serializer};
use tower_outbound::{Attempt, Kind, Outcome};

/// The largest status of gRPC.
const LAST_GRPC_STATUS: i32 = 16;

/// Why a request counts as failed. There are as many as there are kinds and statuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reason {
    Kind(&'static str),
    Status(u16),
    Grpc(i32),
}

impl Reason {
    /// `None` for a success, and where the caller dropped the request.
    pub(crate) fn of(attempt: &Attempt, outcome: &Outcome) -> Option<Self> {
        if let Outcome::Failed(failure) = outcome {
            return Some(Self::Kind(failure.kind().as_str()));
        }
        let status = attempt.status().map(|status| status.as_u16()).filter(|status| *status >= 400);
        let grpc = || attempt.grpc_status().filter(|status| *status != 0);
        match (status, outcome) {
            (Some(status), _) => Some(Self::Status(status)),
            (None, Outcome::Ok) => grpc().map(|status| match status {
                1..=LAST_GRPC_STATUS => Self::Grpc(status),
                _ => Self::Kind(Kind::Other.as_str()),
            }),
            (None, _) => None,
        }
    }

    /// Whether the peer or the way to the peer is at fault, not the request.
    pub(crate) fn is_trouble(self) -> bool {
        match self {
            Self::Kind(_) | Self::Grpc(_) => true,
            Self::Status(status) => status >= 500 || status == 429,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind(kind) => f.write_str(kind),
            Self::Status(status) => write!(f, "{status}"),
            Self::Grpc(status) => write!(f, "grpc_{status}"),
        }
    }
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
