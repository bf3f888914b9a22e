use std::time::Duration;

use tokio::runtime;
use tokio::time::Instant;

use super::Settles;
use crate::util::list::Key;

/// The runtime that a request is on, and a connection: `None` outside of any.
pub(in crate::pool) type Home = Option<runtime::Id>;

/// A connection as the state sees it. Clones are handles to one connection.
pub(in crate::pool) trait Pooled: Clone {
    /// Whether a request can be sent now: open, and ready on HTTP/1.
    fn is_usable(&self) -> bool;

    /// How long the peer keeps the connection idle, less a margin; `None` if it did not say.
    fn keep_alive(&self) -> Option<Duration>;

    /// The most streams that the peer allows now; `None` on HTTP/1.
    fn streams(&self) -> Option<usize>;

    /// What was last sent and received; `None` if that is not known.
    fn traffic(&self) -> Option<Traffic>;
}

/// What was last sent and received on a connection.
#[derive(Clone, Copy, Debug)]
pub(in crate::pool) struct Traffic {
    /// When something was received, or the connection was opened.
    pub(in crate::pool) heard: Instant,
    /// Since when neither side has sent anything, if the peer owes an answer.
    pub(in crate::pool) unanswered: Option<Instant>,
    /// Requests wait for a slot to the origin.
    pub(in crate::pool) slot_wanted: bool,
}

/// A connection, or a connect, that counts against the limits until its task has ended.
#[derive(Debug)]
pub(super) struct Link<C> {
    pub(super) origin: Key,
    pub(super) stage: Stage,
    /// `None` before it is open, and once it closes.
    pub(super) connection: Option<C>,
    /// Where its task is, once it connects.
    pub(super) home: Home,
    /// The waiter that it is opened for.
    pub(super) owner: Option<Key>,
    /// Requests that use it now.
    pub(super) leases: usize,
    /// Requests that have used it.
    pub(super) uses: u64,
    /// Since when it is idle, or open.
    pub(super) since: Instant,
    /// Since when it is open; before that, since when it is wanted.
    pub(super) opened: Instant,
    /// Not used for new requests from then on.
    pub(super) retires: Option<Instant>,
    pub(super) retired: Option<Why>,
    /// HTTP/1: its last request has ended for the caller, and hyper does not want another one yet.
    pub(super) settles: Option<Settles>,
    /// Its task has ended: it does not count any more, and is kept for its leases only.
    pub(super) ended: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// A waiter may begin to connect.
    Reserved,
    Connecting,
    /// HTTP/1: no request uses it. In the origin's list `idle`.
    Idle,
    /// HTTP/1: a request uses it.
    Busy,
    /// HTTP/2. In the origin's list `shared`.
    Shared,
    /// Not used for new requests; its task has not ended yet.
    Closing,
}

/// A connection that was given to a request.
#[derive(Debug)]
pub(in crate::pool) struct Served<C> {
    pub(in crate::pool) connection: C,
    pub(in crate::pool) grant: Grant,
}

/// How a request got its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pool) struct Grant {
    pub(in crate::pool) link: Key,
    /// The first use is number 1.
    pub(in crate::pool) number: u64,
    /// Since when it was idle; `None` if it was not.
    pub(in crate::pool) idle_since: Option<Instant>,
    pub(in crate::pool) source: Source,
}

/// Where a connection came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pool) enum Source {
    /// It was there.
    Free,
    /// Another request has ended its use while this one waited.
    Returned,
    /// The connect that was made for the request.
    OwnConnect,
    /// A connect that was made for another request.
    OtherConnect,
}

impl<C> Link<C> {
    pub(super) fn reserved(origin: Key) -> Self {
        let now = Instant::now();
        Self {
            origin,
            stage: Stage::Reserved,
            connection: None,
            home: None,
            owner: None,
            leases: 0,
            uses: 0,
            since: now,
            opened: now,
            retires: None,
            retired: None,
            settles: None,
            ended: false,
        }
    }
}

/// Why a connection is taken out of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::pool) enum Why {
    /// It has ended, or somebody else has retired it.
    Unusable,
    /// Idle for the idle timeout.
    Idle,
    MaxAge,
    MaxUses,
    /// Retired by a reset.
    Reset,
    /// More than the limits allow, or room for another origin.
    Surplus,
    /// The pool is gone.
    PoolGone,
}
