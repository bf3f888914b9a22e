//! What adds up and what does not.

use std::fmt;
use std::fs;

use outbound_tests::otlp::{Metric, Value};
use serde::Serialize;
use tokio::runtime::Handle;
use tokio::time::Instant;
use tower_outbound::{Connection, Outbound};
use tower_outbound_telemetry::Report as Exported;

use super::ledger::Ledger;
use super::upstreams::{Upstream, ledger};
use super::{Books, Calls};
use crate::cli::Cli;
use crate::report::frameless;

const HOW_TO_READ: &str = "\
Each request is found by its span's id, which the upstream logs. The log of nginx is its access log; a server in
this process counts for itself, and the twin's log is its own spans. Maybe processed: sent, or on HTTP/2 on its
way, when the connection ended. Without a request: opened for one that another connection served, or that failed.
";

/// What the metrics say of one upstream.
pub(super) struct Sums {
    requests: u64,
    retries: u64,
    opened: u64,
    /// By the registry, at the end.
    open: u64,
}

impl Sums {
    pub(super) fn of(metrics: &[Metric], open: &[Connection], port: u16) -> Sums {
        let open = open.iter().filter(|open| open.origin().port() == port).count() as u64;
        let port = port.to_string();
        let sum = |name| {
            let points = metrics.iter().filter(|metric| metric.name() == name).flat_map(Metric::points);
            let own = points.filter(|point| point.attr("server.port") == Some(&port));
            own.map(|point| if let Value::Sum(sum) = point.value { sum as u64 } else { 0 }).sum()
        };
        let [requests, retries, opened] =
            ["outbound.requests", "outbound.retries", "outbound.connection.opened"].map(sum);
        Sums { requests, retries, opened, open }
    }
}

/// What must not grow.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Sample {
    after_s: u64,
    connections_open: usize,
    tasks: usize,
    /// Where the system tells it.
    rss_kib: Option<u64>,
}

impl Sample {
    pub(super) fn now(outbound: &Outbound, started: Instant) -> Sample {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        Sample {
            after_s: started.elapsed().as_secs(),
            connections_open: outbound.connections().len(),
            tasks: Handle::current().metrics().num_alive_tasks(),
            rss_kib: rss.and_then(|rss| rss.trim().trim_end_matches(" kB").parse().ok()),
        }
    }
}

/// One upstream's account.
#[derive(Serialize)]
struct Account {
    upstream: &'static str,
    restarts: u32,
    #[serde(rename = "exchanges")]
    attempts: u64,
    requests_metric: u64,
    answered: u64,
    failed_never_sent: u64,
    failed_maybe_processed: u64,
    maybe_processed_and_logged: u64,
    logged: u64,
    answered_and_not_logged: u64,
    never_sent_and_logged: u64,
    logged_and_not_told: u64,
    #[serde(rename = "resends")]
    retries: u64,
    retries_metric: u64,
    connections_opened_metric: u64,
    connections_setup: u64,
    /// Where a client names no connection (tonic), the span of its setup comes at its end.
    connections_still_open: u64,
    /// By the upstream's count; null where it does not count them.
    connections_accepted: Option<u64>,
    /// With a request in the log; null where attempts do not name their connection.
    connections_with_a_request_logged: Option<u64>,
    connections_that_disagree: u64,
}

impl Account {
    fn new(upstream: &'static str, restarts: u32, ledger: &Ledger, sums: &Sums) -> Account {
        Account {
            upstream,
            restarts,
            attempts: ledger.told(),
            requests_metric: sums.requests,
            answered: ledger.answered,
            failed_never_sent: ledger.never,
            failed_maybe_processed: ledger.maybe,
            maybe_processed_and_logged: ledger.maybe_logged,
            logged: ledger.logged,
            answered_and_not_logged: ledger.unlogged(),
            never_sent_and_logged: ledger.never_logged,
            logged_and_not_told: ledger.untold(),
            retries: ledger.retried,
            retries_metric: sums.retries,
            connections_opened_metric: sums.opened,
            connections_setup: ledger.setups,
            connections_still_open: sums.open,
            connections_accepted: None,
            connections_with_a_request_logged: (ledger.served() > 0).then(|| ledger.served()),
            connections_that_disagree: ledger.mixed,
        }
    }

    /// What does not add up, in words.
    fn problems(&self) -> Vec<String> {
        let name = self.upstream;
        let mut problems = Vec::new();
        let mut equal = |what: &str, a: u64, b: u64| {
            if a != b {
                problems.push(format!("{name}: {what}: {a} against {b}"));
            }
        };
        equal("attempts against outbound.requests", self.attempts, self.requests_metric);
        equal("logged against answered, and failed but logged", self.logged, {
            self.answered + self.maybe_processed_and_logged
        });
        equal("answered and not in the log", self.answered_and_not_logged, 0);
        equal("told as never sent, and in the log", self.never_sent_and_logged, 0);
        equal("in the log and told by no attempt", self.logged_and_not_told, 0);
        equal("retries against outbound.retries", self.retries, self.retries_metric);
        let setups = self.connections_setup + self.setups_to_come();
        equal("opened against setups told", self.connections_opened_metric, setups);
        if let Some(accepted) = self.connections_accepted {
            equal("opened against accepted", self.connections_opened_metric, accepted);
        }
        equal("attempts on another connection than the log has", self.connections_that_disagree, 0);
        if self.connections_with_a_request_logged > Some(self.connections_opened_metric) {
            problems.push(format!("{name}: more connections with a request logged than were opened"));
        }
        problems
    }

    /// Of connections that are still open.
    fn setups_to_come(&self) -> u64 {
        let missing = self.connections_opened_metric.saturating_sub(self.connections_setup);
        missing.min(self.connections_still_open)
    }

    fn without_request(&self) -> Option<u64> {
        Some(self.connections_opened_metric.saturating_sub(self.connections_with_a_request_logged?))
    }
}

/// The whole account.
#[derive(Serialize)]
pub(super) struct Report {
    seed: u64,
    calls: u64,
    calls_ok: u64,
    calls_failed: u64,
    calls_unanswered: u64,
    gateway_spans: u64,
    upstreams: [Account; 3],
    telemetry: String,
    at_a_quarter: Sample,
    at_the_end: Sample,
    problems: Vec<String>,
    adds_up: bool,
}

impl Report {
    pub(super) fn new(
        cli: &Cli,
        [http, grpc]: &[Upstream; 2],
        books: &Books,
        calls: &Calls,
        [http_sums, grpc_sums, twin_sums]: &[Sums; 3],
        exported: &Exported,
        [at_a_quarter, at_the_end]: [Sample; 2],
    ) -> Report {
        let account = |upstream: &Upstream, sums| {
            let ledger = ledger(&upstream.ledger);
            let account = Account::new(upstream.name, upstream.restarts, &ledger, sums);
            let accepted = upstream.counts_connections().then_some(ledger.accepted);
            Account { connections_accepted: accepted, ..account }
        };
        let mut twin = Account::new("the twin", 0, &books.twin, twin_sums);
        twin.connections_with_a_request_logged = None;
        let upstreams = [account(http, http_sums), account(grpc, grpc_sums), twin];
        let mut problems: Vec<_> = upstreams.iter().flat_map(Account::problems).collect();
        if calls.sent() != books.gateway_spans {
            problems.push(format!(
                "calls against the gateway's spans: {} against {}",
                calls.sent(),
                books.gateway_spans
            ));
        }
        if books.strays > 0 {
            problems.push(format!("{} attempts with nobody that is known", books.strays));
        }
        if !exported.is_complete() {
            problems.push(format!("telemetry was lost: {exported}"));
        }
        Report {
            seed: cli.seed,
            calls: calls.sent(),
            calls_ok: calls.ok,
            calls_failed: calls.failed,
            calls_unanswered: calls.unanswered,
            gateway_spans: books.gateway_spans,
            upstreams,
            telemetry: exported.to_string(),
            at_a_quarter,
            at_the_end,
            adds_up: problems.is_empty(),
            problems,
        }
    }

    pub(super) fn adds_up(&self) -> bool {
        self.adds_up
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} calls: {} answered with 200, {} with an error, {} not at all; {} spans of the gateway\n",
            self.calls, self.calls_ok, self.calls_failed, self.calls_unanswered, self.gateway_spans
        )?;
        let cell = |number: Option<u64>| number.map_or("–".to_owned(), |number| number.to_string());
        let row = |what: &str, number: &dyn Fn(&Account) -> Option<u64>| {
            let [a, b, c] = &self.upstreams;
            [what.to_owned(), cell(number(a)), cell(number(b)), cell(number(c))]
        };
        let rows = [
            row("restarts", &|a| Some(a.restarts.into())),
            row("attempts told by spans", &|a| Some(a.attempts)),
            row("  outbound.requests", &|a| Some(a.requests_metric)),
            row("  answered", &|a| Some(a.answered)),
            row("  failed, never sent or not processed", &|a| Some(a.failed_never_sent)),
            row("  failed, maybe processed", &|a| Some(a.failed_maybe_processed)),
            row("    of these in the upstream's log", &|a| Some(a.maybe_processed_and_logged)),
            row("requests in the upstream's log", &|a| Some(a.logged)),
            row("  told by no attempt", &|a| Some(a.logged_and_not_told)),
            row("  told as never sent", &|a| Some(a.never_sent_and_logged)),
            row("answered, and not in the log", &|a| Some(a.answered_and_not_logged)),
            row("retries told by spans", &|a| Some(a.retries)),
            row("  outbound.retries", &|a| Some(a.retries_metric)),
            row("connections: outbound.connection.opened", &|a| Some(a.connections_opened_metric)),
            row("  setups told by spans", &|a| Some(a.connections_setup)),
            row("  still open, to be told when they end", &|a| Some(a.setups_to_come())),
            row("  accepted by the upstream", &|a| a.connections_accepted),
            row("  with a request in the log", &|a| a.connections_with_a_request_logged),
            row("  without one", &|a| a.without_request()),
        ];
        let [a, b, c] = &self.upstreams;
        writeln!(
            f,
            "{}\n",
            frameless(["UPSTREAM", a.upstream, b.upstream, c.upstream], rows.into_iter(), &[1, 2, 3])
        )?;
        writeln!(f, "{HOW_TO_READ}")?;
        for (when, sample) in [("At a quarter", self.at_a_quarter), ("At the end", self.at_the_end)] {
            let Sample { after_s, connections_open, tasks, rss_kib } = sample;
            let rss = rss_kib.map_or("?".to_owned(), |kib| format!("{:.1}", kib as f64 / 1024.0));
            writeln!(
                f,
                "{when} ({after_s} s): {connections_open} connections open, {tasks} tasks, {rss} MiB"
            )?;
        }
        writeln!(f, "Telemetry: {}.", self.telemetry)?;
        match self.adds_up {
            true => writeln!(f, "It adds up: what the receiver was told is what the upstreams have logged."),
            false => writeln!(f, "It does not add up: {}.", self.problems.join("; ")),
        }
    }
}
