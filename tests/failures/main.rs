//! Classification of failures: every error of a client has a kind, as `docs/failures.md` lists it.

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
