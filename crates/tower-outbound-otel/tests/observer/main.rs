//! The observer under a stack, with in-memory exporters in place of a backend.

mod bounds;
mod hidden;
mod load;
mod metrics;
mod opt_in;
mod parents;
mod propagation;
mod retries;
mod setups;
mod slots;
mod spans;
mod support;
mod tls;
