//! Each client below the layers: what the layers see of it, and what they cannot see.

mod callers;
mod checks;
mod client_pool;
mod hyper_conn;
mod hyper_util;
mod invalid_requests;
mod made_services;
mod outbound_client;
mod reqwest;
mod runtimes;
mod tls_above;
#[cfg(feature = "aws-lc-rs")]
mod tls_providers;
mod tls_roots;
mod tonic;
mod tonic_black_hole;
mod tonic_channel;
mod tonic_codes;
mod tonic_server;
mod tonic_streams;
mod tonic_tls;
mod tonic_tls_timeouts;
mod user_info;
mod verbs;
mod warnings;
