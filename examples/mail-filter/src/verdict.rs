//! What goes out.

use http::StatusCode;
use serde::Serialize;

/// What to do with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Deliver it.
    Accept,
    /// Refuse it for good.
    Reject,
    /// Ask the sender to try again later.
    TryLater,
}

impl Verdict {
    /// That of the webhook's status. What may be a fault of this side or of the peer is for later, so that no mail is lost by it.
    #[must_use]
    pub fn of(status: StatusCode) -> Self {
        match status.as_u16() {
            200..=299 => Self::Accept,
            // Credentials, a wrong URL, a proxy, or load.
            401 | 404 | 405 | 407 | 408 | 425 | 429 => Self::TryLater,
            400..=499 => Self::Reject,
            _ => Self::TryLater,
        }
    }

    /// The status of this service's answer.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::Accept => StatusCode::OK,
            Self::Reject => StatusCode::FORBIDDEN,
            Self::TryLater => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// In log and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Reject => "reject",
            Self::TryLater => "try_later",
        }
    }
}

/// The service's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// The message's id.
    pub id: String,
    /// What to do with it.
    pub verdict: Verdict,
    /// The webhook's reason, if it has sent one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The class of the failure that is behind `try_later`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_type: Option<&'static str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdict_of_each_status() {
        use Verdict::{Accept, Reject, TryLater};
        let cases = [(200, Accept), (204, Accept), (301, TryLater), (400, Reject), (401, TryLater)];
        let more = [
            (403, Reject),
            (404, TryLater),
            (422, Reject),
            (429, TryLater),
            (500, TryLater),
            (503, TryLater),
        ];
        for (status, verdict) in cases.into_iter().chain(more) {
            assert_eq!(Verdict::of(StatusCode::from_u16(status).unwrap()), verdict, "{status}");
        }
    }
}
