//! The scenarios: what users rely on, seen on the wire and through the public API.

mod close_reasons;
mod ends;
mod interleavings;
mod load;
mod phases;
mod support;
