//! The filter in this process, against peers that tell what they have seen.

mod answers;
mod config;
mod credentials;
mod deliveries;
mod failures;
mod page;
mod reload;
mod s3;
mod support;
