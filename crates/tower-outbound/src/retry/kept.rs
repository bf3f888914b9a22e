//! What a call has room for: its request's headers and body, kept so that it can be sent again.

use std::sync::{Mutex, MutexGuard, PoisonError};

use http::HeaderMap;
use http_body::Body;

use super::LeasedBody;
use super::flat::Flat;
use super::slot::Slot;
use crate::record::CallStorage;

/// Others may have the call for long: whoever made this lets go of it when nothing is to be sent again.
pub(super) struct Kept<B: Body> {
    headers: Mutex<Flat>,
    pub(super) body: Slot<B>,
}

impl<B: Body> Default for Kept<B> {
    fn default() -> Self {
        Self { headers: Mutex::default(), body: Slot::default() }
    }
}

impl<B: Body> Kept<B> {
    fn flat(&self) -> MutexGuard<'_, Flat> {
        self.headers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn keep(&self, headers: &HeaderMap) {
        self.flat().fill(headers);
    }

    pub(super) fn headers(&self) -> HeaderMap {
        self.flat().map()
    }

    /// Nothing is sent again. What the lease that is out has still to give goes with it, and all else at once.
    pub(super) fn settle(&self) {
        if !self.let_go() {
            self.body.keep_no_more();
        }
    }

    /// The same, where the body itself may be what lets go: then no lock of its slot is taken, and what was given to
    /// the lease that is out goes with it too. Whether nothing is left.
    pub(super) fn let_go(&self) -> bool {
        self.flat().clear();
        self.body.let_go()
    }
}

impl<B: Body> CallStorage<Kept<B>> {
    /// The body from its beginning; leases given before give nothing more.
    pub(super) fn lease(&self) -> LeasedBody<B> {
        match self.body.lease() {
            Some(number) => LeasedBody::lent(self.clone(), number),
            None => LeasedBody::empty(),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http_body_util::Full;

    use super::*;
    use crate::record::Call;

    #[test]
    fn kept_headers_cleared_by_let_go_while_call_lives() {
        let headers =
            HeaderMap::from_iter([(http::header::AUTHORIZATION, HeaderValue::from_static("secret"))]);
        let (call, kept) = Call::with_storage::<Kept<Full<bytes::Bytes>>>();
        kept.keep(&headers);
        assert!(!format!("{call:?}").contains("secret"));
        assert_eq!(kept.headers(), headers);
        kept.let_go();
        assert_eq!(kept.headers(), HeaderMap::new());
        drop(call);
    }
}
