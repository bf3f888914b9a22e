//! Scenarios: the promises of the crate, checked on the wire and through the public API.

mod clients;
mod close_reasons;
mod cut_uploads;
mod dead_socket;
mod edges;
mod ends;
mod http1_clients;
mod http2;
mod idle;
mod in_flight;
mod interim;
mod interleavings;
mod load;
mod log;
mod lost;
mod phases;
mod promises;
mod retry;
mod silent;
mod streams;
mod support;
mod tcp;
mod timeouts;
mod tunnels;
mod uploads;
mod wrappers;
