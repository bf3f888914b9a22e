//! Walks the levels of an error, from the outside in.

use http::Extensions;
use hyper_util::client::legacy;

use super::evidence::{Evidence, Level};
use super::{foreign, own};
use crate::error::SendError;
use crate::failure::Failure;

/// A deeper chain is an accident (a cycle), not a stack of layers.
const MAX_DEPTH: usize = 128;

fn levels(error: Level<'_>) -> impl Iterator<Item = Level<'_>> {
    std::iter::successors(Some(error), |level| foreign::cause_of(*level)).take(MAX_DEPTH)
}

pub(super) fn failure_of(error: Level<'_>) -> Failure {
    let mut evidence = Evidence::default();
    for level in levels(error) {
        if let Some(failure) = own::failure_of(level) {
            return failure.after_redirects(evidence.redirects);
        }
        if !own::inspect(level, &mut evidence) {
            foreign::inspect(level, &mut evidence);
        }
        if evidence.is_definite() {
            break;
        }
    }
    evidence.finish()
}

/// Adds what the pool, ours or hyper-util's, knows about the connection of an error.
pub(crate) fn connect_extras(error: Level<'_>, extensions: &mut Extensions) {
    if let Some(error) = levels(error).find_map(|level| level.downcast_ref::<SendError>()) {
        if let Some(connection) = error.connection() {
            extensions.insert(connection.clone());
        }
        return;
    }
    let named = levels(error).find_map(|level| level.downcast_ref::<legacy::Error>()?.connect_info());
    if let Some(connected) = named {
        connected.get_extras(extensions);
    }
}
