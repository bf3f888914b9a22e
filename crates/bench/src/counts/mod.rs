//! What does not depend on the clock: instructions, allocations, locked instructions, clock reads and system calls.
//!
//! Each figure is the difference between two runs of the same process with different numbers of requests, so that
//! nothing of start, warm-up and end is in it.

mod callgrind;
mod heap;
mod locked;
mod measure;
mod results;
mod strace;
mod tools;

pub(crate) use callgrind::instructions;
pub(crate) use heap::heap;
pub(crate) use measure::all;
pub(crate) use results::Results;
pub(crate) use tools::present as tools_present;
