//! Guides.
//!
//! | guide | content |
//! | --- | --- |
//! | [`clients`] | a program for each client, and what each client hides |
//! | [`hyper`] | bare connections, and hyper-util's composable pools |
//! | [`layers`] | the order of the layers, their settings, and where your own layers go |
//! | [`recipes`] | one line of code for each wish |
//! | [`deadlines`] | one time limit for a call, for several, and for the services below |
//! | [`operations`] | several calls, of any protocol, under one time limit |
//! | [`retries`] | what is retried, how often, and what happens to the connection meanwhile |
//! | [`failures`] | each kind of failure, and what each fault leads to |
//! | [`types`] | services that are already made, names of the types, and errors of the compiler |
//! | [`on_call`] | which metric or span answers which question |
//! | [`performance`] | what a request costs, beside others; what costs what, and how to turn it off |

/// A program for each client, and what each client hides.
///
#[doc = include_str!("clients.md")]
pub mod clients {}

/// One time limit for a call, for several, and for the services below.
///
#[doc = include_str!("deadlines.md")]
pub mod deadlines {}

/// Each kind of failure, and what each fault leads to.
///
#[doc = include_str!("failures.md")]
pub mod failures {}

/// Bare connections of hyper, and hyper-util's composable pools.
///
#[doc = include_str!("hyper.md")]
pub mod hyper {}

/// The order of the layers, their settings, and where your own layers go.
///
#[doc = include_str!("layers.md")]
pub mod layers {}

/// Which metric or span answers which question.
///
#[doc = include_str!("on_call.md")]
pub mod on_call {}

/// Several calls, of any protocol, under one time limit.
///
#[doc = include_str!("operations.md")]
pub mod operations {}

/// What a request costs, beside others; what costs what, and how to turn it off.
///
#[doc = include_str!("performance.md")]
pub mod performance {}

/// One line of code for each wish.
///
#[doc = include_str!("recipes.md")]
pub mod recipes {}

/// What is retried, how often, and what happens to the connection meanwhile.
///
#[doc = include_str!("retries.md")]
pub mod retries {}

/// Services that are already made, names of the types, and errors of the compiler.
///
#[doc = include_str!("types.md")]
pub mod types {}
