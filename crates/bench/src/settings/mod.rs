//! What is measured: one row for each name in the results.

mod kinds;
mod list;

pub(crate) use kinds::{Client, Observe, Setting, Traffic};
pub(crate) use list::{bursts, exporting, further, guarded, named};
