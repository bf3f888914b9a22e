//! A probe that logs in to an IMAP server and selects mailboxes, under one time limit: an [`Operation`] of another protocol than
//! HTTP.
//!
//! [`probe`] has the steps, and is the part to copy.
//!
//! [`Operation`]: tower_outbound::operation::Operation

pub mod bounded;
pub mod cli;
pub mod demonstration;
pub mod error;
pub mod greeting;
pub mod output;
pub mod probe;
pub mod transport;
