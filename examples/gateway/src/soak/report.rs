//! The report of a soak.

use std::fmt;
use std::fs;

use outbound_tests::otlp::{Metric, Value};
use serde::Serialize;
use tokio::runtime::Handle;
use tokio::time::Instant;
use tower_outbound::{Connection, Outbound};

use super::ledger::Ledger;
use super::upstreams::{Upstream, ledger};
use super::{Books, Calls};
use crate::cli::Cli;
use crate::report::frameless;
use crate::services::Exported;

const HOW_TO_READ: &str = "\
A request and its log line have the same span id. The log of an upstream is nginx's access log, the count of a
server in this process, or the server spans of the twin. Maybe processed is a request that was sent, or on HTTP/2
partly sent, when the connection ended. A connection without a request was opened for a request that another
connection served, or that failed. nginx logs a request after its response: a kill between the two loses the line.
";

/// The sums of the metrics of one upstream.
pub(super) struct Sums {
    requests: u64,
    retries: u64,
    opened: u64,
    /// Open connections in the registry at the end.
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

/// The values that must not grow over time.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Sample {
    after_s: u64,
    connections_open: usize,
    tasks: usize,
    /// `None` on systems without `/proc`.
    rss_kib: Option<u64>,
}

impl Sample {
    pub(super) fn now(outbounds: &[Outbound], started: Instant) -> Sample {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        Sample {
            after_s: started.elapsed().as_secs(),
            connections_open: outbounds.iter().map(|outbound| outbound.connections().len()).sum(),
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
    /// Each may have lost a line of the log.
    kills: u64,
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
    #[serde(rename = "logged_and_not_told")]
    logged_without_attempt: u64,
    #[serde(rename = "resends")]
    retries: u64,
    retries_metric: u64,
    connections_opened_metric: u64,
    connections_setup: u64,
    /// Through tonic the span of a setup ends with the connection.
    connections_still_open: u64,
    /// Counted by the upstream; null if the upstream does not count.
    connections_accepted: Option<u64>,
    /// Connections with a request in the log; null if attempts do not name their connection.
    connections_with_a_request_logged: Option<u64>,
    connections_that_disagree: u64,
}

impl Account {
    fn new(upstream: &'static str, restarts: u32, kills: u64, ledger: &Ledger, sums: &Sums) -> Account {
        Account {
            upstream,
            restarts,
            kills,
            attempts: ledger.attempts(),
            requests_metric: sums.requests,
            answered: ledger.answered,
            failed_never_sent: ledger.never,
            failed_maybe_processed: ledger.maybe,
            maybe_processed_and_logged: ledger.maybe_logged,
            logged: ledger.logged,
            answered_and_not_logged: ledger.unlogged(),
            never_sent_and_logged: ledger.never_logged,
            logged_without_attempt: ledger.unreported(),
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

    /// One text for each difference.
    fn problems(&self) -> Vec<String> {
        let name = self.upstream;
        let mut problems = Vec::new();
        let mut equal = |what: &str, a: u64, b: u64| {
            if a != b {
                problems.push(format!("{name}: {what}: {a} against {b}"));
            }
        };
        equal("attempts against outbound.requests", self.attempts, self.requests_metric);
        equal("logged against answered plus failed but logged", self.logged, {
            self.answered + self.maybe_processed_and_logged - self.lines_lost()
        });
        equal("answered, but not in the log", self.answered_and_not_logged, self.lines_lost());
        equal("reported as never sent, but in the log", self.never_sent_and_logged, 0);
        equal("in the log without an attempt", self.logged_without_attempt, 0);
        equal("retries against outbound.retries", self.retries, self.retries_metric);
        let setups = self.connections_setup + self.setups_to_come();
        equal("opened against setups", self.connections_opened_metric, setups);
        if let Some(accepted) = self.connections_accepted {
            equal("opened against accepted", self.connections_opened_metric, accepted);
        }
        equal("attempts whose connection differs from the log", self.connections_that_disagree, 0);
        if self.connections_with_a_request_logged > Some(self.connections_opened_metric) {
            problems.push(format!("{name}: more connections with a request logged than were opened"));
        }
        problems
    }

    /// Lines that kills have lost: at most one each, since nginx has one process here.
    fn lines_lost(&self) -> u64 {
        self.answered_and_not_logged.min(self.kills)
    }

    /// Setups whose connection is still open.
    fn setups_to_come(&self) -> u64 {
        let missing = self.connections_opened_metric.saturating_sub(self.connections_setup);
        missing.min(self.connections_still_open)
    }

    fn without_request(&self) -> Option<u64> {
        Some(self.connections_opened_metric.saturating_sub(self.connections_with_a_request_logged?))
    }
}

/// The report, as printed and as JSON.
#[derive(Serialize)]
pub(super) struct Report {
    seed: u64,
    calls: u64,
    calls_ok: u64,
    calls_failed: u64,
    calls_unanswered: u64,
    caller_spans: u64,
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
            let account = Account::new(upstream.name, upstream.restarts, upstream.kills, &ledger, sums);
            let accepted = upstream.counts_connections().then_some(ledger.accepted);
            Account { connections_accepted: accepted, ..account }
        };
        let mut twin = Account::new("the twin", 0, 0, &books.twin, twin_sums);
        twin.connections_with_a_request_logged = None;
        let upstreams = [account(http, http_sums), account(grpc, grpc_sums), twin];
        let mut problems: Vec<_> = upstreams.iter().flat_map(Account::problems).collect();
        for (whose, spans) in [("caller", books.caller_spans), ("gateway", books.gateway_spans)] {
            if calls.sent() != spans {
                problems.push(format!("calls against the {whose}'s spans: {} against {spans}", calls.sent()));
            }
        }
        if books.strays > 0 {
            problems.push(format!("{} attempts to an unknown address", books.strays));
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
            caller_spans: books.caller_spans,
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
            "{} calls: {} answered with 200, {} with an error, {} unanswered; {} spans of the gateway\n",
            self.calls, self.calls_ok, self.calls_failed, self.calls_unanswered, self.gateway_spans
        )?;
        let cell = |number: Option<u64>| number.map_or("–".to_owned(), |number| number.to_string());
        let row = |what: &str, number: &dyn Fn(&Account) -> Option<u64>| {
            let [a, b, c] = &self.upstreams;
            [what.to_owned(), cell(number(a)), cell(number(b)), cell(number(c))]
        };
        let rows = [
            row("restarts", &|a| Some(a.restarts.into())),
            row("  by a kill", &|a| Some(a.kills)),
            row("attempts by spans", &|a| Some(a.attempts)),
            row("  outbound.requests", &|a| Some(a.requests_metric)),
            row("  answered", &|a| Some(a.answered)),
            row("  failed, never sent or not processed", &|a| Some(a.failed_never_sent)),
            row("  failed, maybe processed", &|a| Some(a.failed_maybe_processed)),
            row("    of these in the upstream's log", &|a| Some(a.maybe_processed_and_logged)),
            row("requests in the upstream's log", &|a| Some(a.logged)),
            row("  without an attempt", &|a| Some(a.logged_without_attempt)),
            row("  reported as never sent", &|a| Some(a.never_sent_and_logged)),
            row("answered, but not in the log", &|a| Some(a.answered_and_not_logged)),
            row("retries by spans", &|a| Some(a.retries)),
            row("  outbound.retries", &|a| Some(a.retries_metric)),
            row("connections: outbound.connection.opened", &|a| Some(a.connections_opened_metric)),
            row("  setups by spans", &|a| Some(a.connections_setup)),
            row("  setups of open connections", &|a| Some(a.setups_to_come())),
            row("  accepted by the upstream", &|a| a.connections_accepted),
            row("  with a request in the log", &|a| a.connections_with_a_request_logged),
            row("  without a request in the log", &|a| a.without_request()),
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
            true => writeln!(f, "The telemetry matches the upstreams' logs."),
            false => {
                writeln!(f, "The telemetry differs from the upstreams' logs: {}.", self.problems.join("; "))
            }
        }
    }
}
