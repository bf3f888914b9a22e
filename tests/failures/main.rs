//! Failures told apart: every error that a client can return has a kind, and the document says which.

mod chains;
mod cost;
mod document;
mod h2;
mod hyper;
mod kinds;
mod locked;
mod messages;
mod pipe;
mod property;
mod send_state;
mod stack;
