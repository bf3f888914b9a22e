//! What depends on the clock: requests per second, CPU time and latencies.
//!
//! The contender and hyper-util alone take turns of some 20 ms in one process, so that a machine which is faster and
//! slower from second to second is so for both. All threads of the process share one core, the server has another one.

mod duel;
mod measure;
mod results;
pub(crate) mod statistics;

pub(crate) use duel::{Duel, against_bare};
pub(crate) use measure::all;
pub(crate) use results::Results;
