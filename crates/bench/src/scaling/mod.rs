//! Whether a request costs the same among many: instructions against origins, pooled connections, waiting requests and
//! observers, and the heap of an idle connection, an origin and an attempt in flight.

mod clients;
mod drive;
mod measure;
mod plan;
mod results;

pub(crate) use drive::run;
pub(crate) use measure::all;
pub(crate) use results::{Results, spread};
