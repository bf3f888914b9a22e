use super::settle::Settling;
use crate::record::{Origin, Protocol};
use crate::util::list::{Key, List};

/// What the pool has and wants for one origin.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) origin: Origin,
    /// What the last connect has found; `None` before the first.
    pub(super) protocol: Option<Protocol>,
    /// Links that count against the limit.
    pub(super) open: usize,
    /// Of these, the ones that are not open yet.
    pub(super) connecting: usize,
    /// Of these, the ones that are closing.
    pub(super) closing: usize,
    /// Of these, the ones that finish what they do, and do not close yet.
    pub(super) draining: usize,
    pub(super) settling: Settling,
    /// HTTP/1 links without a request, the newest at the end.
    pub(super) idle: List,
    pub(super) idle_len: usize,
    /// HTTP/2 links.
    pub(super) shared: List,
    /// Connects that belong to no waiter.
    pub(super) orphans: List,
    /// Waiters with a connect of their own.
    pub(super) paired: List,
    /// Waiters without.
    pub(super) queued: List,
    pub(super) queued_len: usize,
    /// Records of links and waiters that refer to this one.
    pub(super) records: usize,
    /// In the list of origins whose turn comes.
    pub(super) in_turns: bool,
    pub(super) resting: bool,
    /// A connect has failed, no connection is open, and others connect: nobody else begins to.
    pub(super) failing: bool,
}

impl Entry {
    pub(super) const fn new(origin: Origin, protocol: Option<Protocol>) -> Self {
        Self {
            origin,
            protocol,
            open: 0,
            connecting: 0,
            closing: 0,
            draining: 0,
            settling: Settling::NONE,
            idle: List::new(),
            idle_len: 0,
            shared: List::new(),
            orphans: List::new(),
            paired: List::new(),
            queued: List::new(),
            queued_len: 0,
            records: 0,
            in_turns: false,
            resting: false,
            failing: false,
        }
    }

    /// Connections that can serve, now or later.
    pub(super) const fn live(&self) -> usize {
        self.open - self.connecting - self.closing
    }

    /// Links that serve, or will.
    pub(super) const fn kept(&self) -> usize {
        self.open - self.closing - self.draining
    }

    /// Whether a queued waiter may begin to connect, as far as this origin is concerned. Where the protocol is not known,
    /// or many requests share a connection, one connect is for all that wait.
    pub(super) fn may_connect(&self, limit: usize) -> bool {
        let alone = self.protocol != Some(Protocol::Http1) || self.failing;
        self.open < limit && !(alone && self.connecting > 0)
    }

    /// The oldest waiter.
    pub(super) fn first_waiter(&self) -> Option<Key> {
        self.paired.first().or(self.queued.first())
    }
}
