//! The load that every contender gets alike.

mod body;
mod drive;
mod job;
mod worker;

pub(crate) use body::Up;
pub(crate) use drive::{Run, Spans, Tally};
pub(crate) use job::{Job, json};
pub(crate) use worker::{Svc, Worker, read};
