//! Walks the levels of an error, from the outside in, and weighs what they say.

use std::error::Error as StdError;

use super::{foreign, own};
use crate::failure::{Detail, DnsFailure, Failure, Kind, Phase, SendState};

/// Deeper chains than this are made by accident (a cycle), not by layers.
const MAX_DEPTH: usize = 128;

/// One level of a chain of errors.
pub(super) type Level<'a> = &'a (dyn StdError + 'static);

pub(super) fn levels(error: Level<'_>) -> impl Iterator<Item = Level<'_>> {
    std::iter::successors(Some(error), |level| foreign::cause_of(*level)).take(MAX_DEPTH)
}

pub(super) fn failure_of(error: Level<'_>) -> Failure {
    let mut found = Found::default();
    for level in levels(error) {
        if let Some(settled) = own::settled(level) {
            return settled.after_redirects(found.redirects);
        }
        if !own::look_at(level, &mut found) {
            foreign::look_at(level, &mut found);
        }
        if found.weight == Weight::Settled {
            break;
        }
    }
    found.finish()
}

/// How much a statement counts against one from further out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    #[default]
    Nothing,
    Vague,
    Exact,
    /// What is further in does not matter.
    Settled,
}

/// What the levels have said so far.
#[derive(Debug, Default)]
pub(super) struct Found {
    weight: Weight,
    kind: Option<Kind>,
    phase: Option<Phase>,
    os_error: Option<i32>,
    detail: Detail,
    send: Option<SendState>,
    /// The connection could not be made.
    connecting: bool,
    /// The client follows redirects.
    redirects: bool,
    /// hyper or h2 has passed on an error of the IO below it.
    pub(super) from_io: bool,
    /// hyper was reading a body.
    pub(super) reading_body: bool,
}

impl Found {
    /// It was this, unless a level further in knows better.
    pub(super) fn perhaps(&mut self, kind: Kind) {
        self.weigh(Weight::Vague, kind);
    }

    /// It was this; only an exact statement from further in counts more.
    pub(super) fn say(&mut self, kind: Kind) {
        self.weigh(Weight::Exact, kind);
    }

    /// It was this, whatever led to it.
    pub(super) fn settle(&mut self, kind: Kind) {
        self.weigh(Weight::Settled, kind);
    }

    /// A timeout; which one, the phase tells at the end.
    pub(super) fn timeout(&mut self) {
        self.say(Kind::ResponseTimeout);
    }

    /// The connection could not be made.
    pub(super) fn connecting(&mut self) {
        self.connecting = true;
    }

    /// A stage of the connect has failed.
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

    /// The client follows redirects: what was sent before the request that has failed, the error does not tell. Inside
    /// of a failed connect it is another client, a resolver's say.
    #[cfg(feature = "reqwest")]
    pub(super) fn redirects(&mut self) {
        self.redirects |= !self.connecting;
    }

    /// The client had not begun with the request: it was given back, or refused.
    pub(super) fn unsent(&mut self) {
        self.send = Some(SendState::NotSent);
    }

    /// The peer says that it has not processed the request.
    pub(super) fn not_processed(&mut self) {
        self.send = Some(SendState::NotProcessed);
    }

    fn weigh(&mut self, weight: Weight, kind: Kind) {
        if weight >= self.weight {
            self.weight = weight;
            self.kind = Some(kind);
        }
    }

    fn finish(mut self) -> Failure {
        let kind = self.kind.unwrap_or(if self.connecting { Kind::Connection } else { Kind::Other });
        let kind = match (self.phase, kind) {
            // The resolver's own timeout, and not that of the connect around it.
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
