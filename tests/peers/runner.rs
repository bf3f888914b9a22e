//! Runs a list of checks as `cargo test` expects it, and says at the end which peers took part.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::process::ExitCode;
use std::time::Duration;

use outbound_tests::peers::Peer;
use tokio::runtime::Runtime;

/// A check that hangs is a check that fails.
const LIMIT: Duration = Duration::from_secs(60);

type Run = Box<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>>>;

/// One check: it fails by panicking.
pub(crate) struct Check {
    name: &'static str,
    peer: Peer,
    run: Run,
}

impl Check {
    pub(crate) fn new<F>(name: &'static str, peer: Peer, run: fn() -> F) -> Check
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Check { name, peer, run: Box::new(move || Box::pin(run())) }
    }
}

/// What of libtest's arguments matters here.
#[derive(Debug, Default)]
struct Arguments {
    list: bool,
    exact: bool,
    ignored: bool,
    filters: Vec<String>,
    skips: Vec<String>,
}

impl Arguments {
    fn parse(arguments: impl IntoIterator<Item = String>) -> Arguments {
        let mut parsed = Arguments::default();
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--list" => parsed.list = true,
                "--exact" => parsed.exact = true,
                "--ignored" => parsed.ignored = true,
                "--skip" => parsed.skips.extend(arguments.next()),
                // Those that take a value of their own; it is not a filter.
                "--test-threads" | "--color" | "--format" | "--logfile" | "--shuffle-seed" | "-Z" => {
                    arguments.next();
                }
                flag if flag.starts_with('-') => {}
                filter => parsed.filters.push(filter.to_owned()),
            }
        }
        parsed
    }

    fn wants(&self, name: &str) -> bool {
        let fits = |filter: &String| if self.exact { name == filter } else { name.contains(filter.as_str()) };
        // No check is ever ignored.
        !self.ignored
            && (self.filters.is_empty() || self.filters.iter().any(fits))
            && !self.skips.iter().any(fits)
    }
}

/// Runs what the arguments ask for, one after another.
pub(crate) fn run(checks: &[Check]) -> ExitCode {
    let arguments = Arguments::parse(std::env::args().skip(1));
    let wanted = checks.iter().filter(|check| arguments.wants(check.name));
    if arguments.list {
        wanted.for_each(|check| println!("{}: test", check.name));
        return ExitCode::SUCCESS;
    }
    let required = std::env::var("OUTBOUND_REQUIRE_PEERS").is_ok_and(|value| value == "1");
    let runtime = Runtime::new().expect("a runtime");
    let (mut ran, mut missing) = (BTreeSet::new(), BTreeSet::new());
    let (mut passed, mut failed) = (0, 0);
    println!();
    for check in wanted {
        if check.peer.find().is_none() {
            println!("check {} ... skipped, no {}", check.name, check.peer.name);
            missing.insert(check.peer.name);
            failed += usize::from(required);
            continue;
        }
        ran.insert(check.peer.name);
        match attempt(&runtime, check) {
            Ok(()) => {
                println!("check {} ... ok", check.name);
                passed += 1;
            }
            Err(reason) => {
                println!("check {} ... FAILED: {reason}", check.name);
                failed += 1;
            }
        }
    }
    println!("\n{passed} passed, {failed} failed");
    println!("{}", summary(&ran, &missing));
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn attempt(runtime: &Runtime, check: &Check) -> Result<(), String> {
    let task = runtime.spawn((check.run)());
    let abort = task.abort_handle();
    match runtime.block_on(async { tokio::time::timeout(LIMIT, task).await }) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(panic)) => Err(panic.to_string()),
        Err(_) => {
            // Its peer is killed with it.
            abort.abort();
            Err(format!("no end after {LIMIT:?}"))
        }
    }
}

fn summary(ran: &BTreeSet<&str>, missing: &BTreeSet<&str>) -> String {
    let mut parts = Vec::new();
    if !ran.is_empty() {
        parts.push(format!("ran {}", Vec::from_iter(ran.iter().copied()).join(", ")));
    }
    if !missing.is_empty() {
        let skipped = missing.iter().map(|name| format!("{name} (not found; tests/peers/install {name})"));
        parts.push(format!("skipped {}", Vec::from_iter(skipped).join(", ")));
    }
    if parts.is_empty() {
        parts.push("none asked for".to_owned());
    }
    format!("real peers: {}", parts.join("; "))
}
