//! Operations: named steps of any async protocol under one deadline.
//!
//! A probe logs in to a mail server and selects a mailbox, a handler calls two services: several calls share one time limit,
//! and afterwards one wants to know for each whether it succeeded, failed, ran into the limit, or was never reached.
//!
//! - The steps are declared up front: each is in the report and in the metrics, reached or not.
//! - The deadline cuts the step that runs. Later steps fail at once, and their futures are never polled.
//! - The limit is never mistaken for an error of the network: a step ends as `timed_out`, or as `failed` with the
//!   [kind](crate::Kind) of its error.
//! - HTTP calls inside a step are under the same deadline, and their spans are children of the step's.
//!
//! It needs no HTTP: a step is any future of a `Result`.
//!
//! # Example
//! ```
//! use std::io;
//! use std::time::Duration;
//! use tower_outbound::operation::{Operation, StepError};
//! use tower_outbound::{Deadline, Outbound};
//!
//! # async fn login() -> io::Result<()> { Ok(()) }
//! # async fn select(_: &str) -> io::Result<u32> { Ok(7) }
//! # async fn logout() -> io::Result<()> { Ok(()) }
//! async fn steps(operation: &Operation, mailboxes: &[&str]) -> Result<(), StepError> {
//!     operation.step("login", login()).await?;
//!     for mailbox in mailboxes {
//!         operation.step_on("select", mailbox, select(mailbox)).await?;
//!     }
//!     operation.step("logout", logout()).await
//! }
//!
//! # async fn run() {
//! let mailboxes = ["INBOX", "Archive"];
//! let probe = Outbound::new().operation("mail").step("login").each("select", mailboxes).best_effort("logout");
//! // Once, or every minute:
//! let operation = probe.start(Deadline::after(Duration::from_secs(2)));
//! let result = steps(&operation, &mailboxes).await;
//! let report = operation.finish();
//! println!("{report}");
//! # assert!(result.is_ok());
//! # let lines: Vec<_> = report.to_string().lines().map(|line| line.split(" 0.").next().unwrap().trim().to_owned()).collect();
//! # assert_eq!(lines[1..], ["step    target   outcome  duration  error", "login            ok", "select  INBOX    ok", "select  Archive  ok", "logout           ok"]);
//! # }
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(run());
//! ```
//!
//! # Differences from `tokio::time::timeout`
//! A timeout around all steps says that time ran out, not where, nor what had been done. A timeout around each step multiplies
//! the limit.

mod builder;
mod future;

pub use self::builder::OperationBuilder;
pub use self::future::StepFuture;
pub use crate::error::StepError;
pub use crate::record::{Operation, OperationOutcome, Report, Step, StepOutcome, StepReport, StepRun};
