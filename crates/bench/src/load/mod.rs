//! The load that every contender gets alike.

mod batch;
mod body;
mod drive;
mod full;
mod job;
mod worker;

pub(crate) use batch::batch;
pub(crate) use body::Up;
pub(crate) use drive::{Outcome, Plan, Run, Spans};
pub(crate) use job::{BIG, Job, json};
pub(crate) use worker::{Svc, Worker, read};
