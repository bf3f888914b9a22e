//! What is shown: read when the page is asked for, and written as HTML or JSON.

mod connections;
mod html;
mod origins;
mod waterfall;

pub(crate) use self::connections::{ConnectionRow, connections};
pub(crate) use self::html::{Content, html};
pub(crate) use self::origins::{OriginRow, origins};
