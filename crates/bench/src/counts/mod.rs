//! What does not depend on the clock: instructions, allocations, locked instructions, clock reads and system calls.
//!
//! Each figure is the difference between two runs of the same process with different numbers of requests, so that
//! nothing of start, warm-up and end is in it.

mod callgrind;
mod locked;
mod measure;
mod results;
mod strace;
mod tools;

pub(crate) use measure::all;
pub(crate) use results::Results;
