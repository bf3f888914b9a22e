//! The observer in a stack, with in-memory exporters.

mod bounds;
mod carried;
mod conventions;
mod deadlines;
mod hidden;
mod load;
mod metrics;
mod operations;
mod opt_in;
mod parents;
mod propagation;
mod resets;
mod retries;
mod rpc;
mod setups;
mod slots;
mod spans;
mod support;
mod switches;
mod tls;
