//! The poll scope: how the seats below the client learn which exchange makes them run.

use std::cell::{Cell, RefCell};
use std::sync::{Arc, Weak};

use super::Exchange;
use super::record::Inner;

thread_local! {
    static CURRENT: RefCell<Option<Exchange>> = const { RefCell::new(None) };
    /// The exchange whose request body was last asked for by a client on this thread.
    static OFFERED: Cell<Option<Offered>> = const { Cell::new(None) };
}

/// An exchange that may be gone: what is kept with a connection must not keep it.
#[derive(Clone, Debug)]
pub(crate) struct WeakExchange(Weak<Inner>);

impl WeakExchange {
    pub(crate) fn upgrade(&self) -> Option<Exchange> {
        self.0.upgrade().map(Exchange)
    }
}

/// One that was said to be unsent is kept, so that the connection cannot miss it.
enum Offered {
    Open(WeakExchange),
    Sealed(Exchange),
}

/// Puts the exchange back that was current before.
pub(crate) struct ExchangeScope {
    before: Option<Exchange>,
}

impl Exchange {
    /// The exchange that is being polled on this thread.
    #[must_use]
    pub fn current() -> Option<Self> {
        CURRENT.try_with(|current| current.borrow().clone()).ok().flatten()
    }

    /// Makes this the current exchange until the guard is dropped.
    pub(crate) fn enter(&self) -> ExchangeScope {
        let before = CURRENT.try_with(|current| current.replace(Some(self.clone()))).ok().flatten();
        ExchangeScope { before }
    }

    /// No exchange is current until the guard is dropped: what runs now is a connection's own.
    pub(crate) fn step_out() -> ExchangeScope {
        let before = CURRENT.try_with(RefCell::take).ok().flatten();
        ExchangeScope { before }
    }

    pub(crate) fn downgrade(&self) -> WeakExchange {
        WeakExchange(Arc::downgrade(&self.0))
    }

    /// Offers the exchange to the connection that writes next on this thread.
    ///
    /// hyper asks an HTTP/1 request's body whether it is empty in the poll of the connection's task that
    /// then writes the request: so the connection learns whose turn it is, where no extension reaches it.
    pub(crate) fn offer(&self, sealed: bool) {
        let offer = if sealed { Offered::Sealed(self.clone()) } else { Offered::Open(self.downgrade()) };
        let _ = OFFERED.try_with(|offered| offered.set(Some(offer)));
    }

    /// The exchange that was offered last on this thread, if it still is one.
    pub(crate) fn take_offered() -> Option<Self> {
        match OFFERED.try_with(Cell::take).ok().flatten()? {
            Offered::Open(exchange) => exchange.upgrade(),
            Offered::Sealed(exchange) => Some(exchange),
        }
    }
}

impl Drop for ExchangeScope {
    fn drop(&mut self) {
        let before = self.before.take();
        let _ = CURRENT.try_with(|current| current.replace(before));
    }
}
