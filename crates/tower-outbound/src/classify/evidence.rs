//! What the levels of an error prove, and how statements of different levels count against each other.

use std::error::Error as StdError;

use crate::failure::{Detail, DnsFailure, Failure, Kind, Phase, SendState};

/// One level of a chain of errors.
pub(super) type Level<'a> = &'a (dyn StdError + 'static);

/// How much a statement counts against statements from further out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    #[default]
    Nothing,
    Likely,
    Exact,
    /// Levels further in do not matter.
    Definite,
}

/// What the levels of an error have proved so far.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    weight: Weight,
    kind: Option<Kind>,
    phase: Option<Phase>,
    os_error: Option<i32>,
    detail: Detail,
    send: Option<SendState>,
    /// The connection could not be made.
    connecting: bool,
    /// The client follows redirects.
    pub(super) redirects: bool,
    /// hyper or h2 passed on an error of the IO.
    pub(super) from_io: bool,
    /// hyper was reading a body.
    pub(super) reading_body: bool,
}

impl Evidence {
    /// The error is of this kind, unless a level further in knows better.
    pub(super) fn likely(&mut self, kind: Kind) {
        self.record(Weight::Likely, kind);
    }

    /// The error is of this kind. Only an exact statement from further in counts more.
    pub(super) fn exact(&mut self, kind: Kind) {
        self.record(Weight::Exact, kind);
    }

    /// The error is of this kind, whatever caused it.
    pub(super) fn definite(&mut self, kind: Kind) {
        self.record(Weight::Definite, kind);
    }

    /// A timeout. The phase decides at the end which one.
    pub(super) fn timeout(&mut self) {
        self.exact(Kind::ResponseTimeout);
    }

    /// The connection could not be made.
    pub(super) fn connecting(&mut self) {
        self.connecting = true;
    }

    /// A phase of the connect failed.
    pub(super) fn in_stage(&mut self, phase: Phase) {
        self.phase = Some(phase);
        self.connecting = true;
    }

    pub(super) fn os_error(&mut self, number: Option<i32>) {
        self.os_error = number.or(self.os_error);
    }

    pub(super) fn detail(&mut self, detail: Detail) {
        self.detail = detail;
    }

    /// The client follows redirects: the error does not show which requests were sent before the one that failed. Inside a
    /// failed connect it is another client, for example a resolver's.
    #[cfg(feature = "reqwest")]
    pub(super) fn redirects(&mut self) {
        self.redirects |= !self.connecting;
    }

    /// The client returned or refused the request before it began to send it.
    pub(super) fn unsent(&mut self) {
        self.send = Some(SendState::NotSent);
    }

    /// The peer states that it has not processed the request.
    pub(super) fn not_processed(&mut self) {
        self.send = Some(SendState::NotProcessed);
    }

    pub(super) fn is_definite(&self) -> bool {
        self.weight == Weight::Definite
    }

    fn record(&mut self, weight: Weight, kind: Kind) {
        if weight >= self.weight {
            self.weight = weight;
            self.kind = Some(kind);
        }
    }

    pub(super) fn finish(mut self) -> Failure {
        let kind = self.kind.unwrap_or(if self.connecting { Kind::Connection } else { Kind::Other });
        let kind = match (self.phase, kind) {
            // The resolver's own timeout, not that of the connect around it.
            (Some(Phase::Dns), Kind::ResponseTimeout) => {
                self.detail = Detail::Dns(DnsFailure::TryAgain);
                Kind::NameResolution
            }
            (phase, kind) if self.connecting => kind.in_setup(phase),
            (_, kind) => kind,
        };
        Failure::found(kind, self.phase, self.os_error, self.connecting, self.detail, self.send)
            .after_redirects(self.redirects)
    }
}
