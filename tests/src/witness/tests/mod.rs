//! A small run, and errors planted into records.

mod planted;
mod run;
