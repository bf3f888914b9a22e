//! The report.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use outbound_tests::otlp::hosts::HostReport;
use serde::Serialize;

use super::ledger::Account;
use super::reloads::Done;

/// What the run came to. As JSON, the sums come from the peers' logs where they can.
#[derive(Debug, Serialize)]
pub struct Report {
    messages: u64,
    accepted: u64,
    rejected: u64,
    try_later: u64,
    lost: u64,
    wrong: u64,
    delivered_twice: u64,
    uploads: u64,
    retries: u64,
    reloads: u64,
    max_sockets: usize,
    errors: BTreeMap<String, u64>,
    hosts: Vec<HostReport>,
    /// From the signal until messages follow: median and longest.
    #[serde(skip)]
    latency: [Duration; 2],
    /// What is wrong with the run itself.
    #[serde(skip)]
    pub problems: Vec<String>,
}

impl Report {
    pub(super) fn new(
        account: Account,
        done: Done,
        retries: u64,
        max_sockets: usize,
        page: &str,
        hosts: Vec<HostReport>,
    ) -> Self {
        let Account { messages, accepted, rejected, try_later, lost, wrong, delivered_twice, uploads } =
            account;
        let at = |index: usize| done.latencies.get(index).copied().unwrap_or_default();
        let latency = [at(done.latencies.len() / 2), at(done.latencies.len().saturating_sub(1))];
        Self {
            messages,
            accepted,
            rejected,
            try_later,
            lost,
            wrong,
            delivered_twice,
            uploads,
            retries,
            reloads: done.reloads,
            max_sockets,
            errors: errors(page),
            hosts,
            latency,
            problems: done.problems,
        }
    }

    /// Whether the verdicts are those of the peers.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.lost + self.wrong + self.delivered_twice == 0 && self.problems.is_empty()
    }
}

/// The failures by class, from the page for Prometheus.
pub(super) fn errors(page: &str) -> BTreeMap<String, u64> {
    let lines = page.lines().filter_map(|line| line.strip_prefix("milter_errors_total{error_type=\""));
    let pairs = lines.filter_map(|line| line.split_once("\"} "));
    pairs.filter_map(|(class, count)| Some((class.to_owned(), count.parse().ok()?))).collect()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { messages, accepted, rejected, try_later, lost, wrong, delivered_twice, .. } = self;
        writeln!(
            f,
            "{messages} messages: {accepted} accepted, {rejected} rejected, {try_later} for later; {lost} lost, \
             {wrong} wrong, {delivered_twice} delivered twice."
        )?;
        let errors: Vec<_> = self.errors.iter().map(|(class, count)| format!("{count} {class}")).collect();
        let [median, longest] = self.latency;
        writeln!(
            f,
            "{} uploads, {} retries, {} sockets at most; failures: {}.\n{} reloads: in force {median:.1?} after SIGHUP \
             (median), {longest:.1?} (longest).",
            self.uploads,
            self.retries,
            self.max_sockets,
            errors.join(", "),
            self.reloads,
        )
    }
}
