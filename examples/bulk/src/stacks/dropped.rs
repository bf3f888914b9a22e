//! tower's `Retry`: drops the refusal unread before it waits, which closes the connection.

use tokio::time::{Sleep, sleep};
use tower::retry::{Policy, Retry};
use tower_outbound::{Error, OutboundClient};

use super::{Answer, Observers, Post, RETRIES};

pub(crate) fn client(observers: Observers) -> Retry<Patience, OutboundClient> {
    let client = super::client(&super::outbound(observers).retry(|retry| retry.max_retries(0)).build());
    Retry::new(Patience { retries: RETRIES }, client)
}

/// Retries after the wait that the server asks for.
#[derive(Clone)]
pub(crate) struct Patience {
    retries: u32,
}

impl Policy<Post, Answer, Error> for Patience {
    type Future = Sleep;

    fn retry(&mut self, _: &mut Post, result: &mut Result<Answer, Error>) -> Option<Sleep> {
        let wait = super::asked(result.as_ref().ok()?)?;
        self.retries = self.retries.checked_sub(1)?;
        Some(sleep(wait))
    }

    fn clone_request(&mut self, request: &Post) -> Option<Post> {
        Some(request.clone())
    }
}
