//! Runs a storm.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tower_outbound::Outbound;
use tower_outbound::timeouts::Timeouts;

use super::call::Clients;
use super::callers::Callers;
use super::hold::hold;
use super::leak::Leak;
use super::ledger::Ledger;
use super::left::Watch;
use super::peers::Peers;
use super::plan::{Act, Before, Plan, WAVE};
use super::report::Report;
use super::tally::Tally;

/// The threads of the clients' runtime.
const THREADS: usize = 4;
/// Less than the callers: some wait.
const MAX_IN_FLIGHT: usize = 48;

/// Waves between two lines of progress.
const PROGRESS: u64 = 100;

/// The settings of a storm.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The number of calls.
    pub calls: u64,
    /// The seed of the plan.
    pub seed: u64,
    /// What no peer does.
    pub without: Vec<Act>,
    /// The duration after which a call counts as one without an end.
    pub watchdog: Duration,
    /// How long after the drop of the client something may still be open.
    pub settle: Duration,
    /// What to leak on purpose.
    pub leak: Option<Leak>,
    /// Whether to report progress to stderr.
    pub progress: bool,
}

impl Settings {
    /// Every act, a watchdog of 10 s, and 5 s to settle.
    #[must_use]
    pub fn new(calls: u64, seed: u64) -> Settings {
        let (watchdog, settle) = (Duration::from_secs(10), Duration::from_secs(5));
        Settings { calls, seed, without: Vec::new(), watchdog, settle, leak: None, progress: false }
    }
}

/// Runs a storm to its end. Call it outside of a runtime; no other thread of the process may open or close sockets.
///
/// # Errors
/// If a peer cannot listen, or the process cannot read its descriptors: only Linux has `/proc/self/fd`.
pub fn run(settings: &Settings) -> io::Result<Report> {
    let peers = Peers::start(settings.seed)?;
    let runtime = Builder::new_multi_thread().worker_threads(THREADS).enable_all().build()?;
    let (ledger, tally) = (Ledger::new(settings.watchdog), Arc::<Tally>::default());
    let watch = Watch::new(runtime.handle(), &ledger, &peers)?;
    let stuck = blow(settings, &runtime, &peers, &ledger, &tally);
    let left = watch.settle(settings.settle)?;
    let (late, open) = (ledger.late(), ledger.open());
    let report = Report { settings: settings.clone(), ends: tally.ends(), stuck, left, late, open };
    // What is left would keep a runtime that waits for it.
    runtime.shutdown_background();
    Ok(report)
}

/// Makes the calls, and drops the client. Returns the number of callers that did not come back.
fn blow(settings: &Settings, runtime: &Runtime, peers: &Peers, ledger: &Ledger, tally: &Arc<Tally>) -> u64 {
    let mut plan = Plan::new(settings.seed, &settings.without);
    if settings.leak == Some(Leak::Call) {
        plan.stall_without_timeout(settings.calls - 1);
    }
    let plan = Arc::new(plan);
    let outbound = stack(ledger);
    let clients = {
        let builder = || outbound.client_builder().max_idle_per_origin(MAX_IN_FLIGHT);
        let (http1, http2) = (builder().build(), builder().http2_only(true).build());
        Clients { http1, http2, peers: peers.addresses() }
    };
    let callers = Callers::start(runtime.handle(), &clients, &plan, tally, settings.calls, settings.watchdog);
    for wave in 0..settings.calls.div_ceil(WAVE) {
        match plan.before(wave) {
            Before::Nothing => callers.begin(),
            Before::Shut => {
                peers.shut_idle();
                callers.begin();
            }
            Before::ShutHeld => {
                hold(runtime.handle(), THREADS, || {
                    peers.shut_idle();
                    callers.begin();
                });
            }
        }
        let stuck = callers.wait();
        if settings.progress && wave % PROGRESS == PROGRESS - 1 {
            eprintln!("{} calls, {} without an end", (wave + 1) * WAVE, tally.ends().without.len());
        }
        if stuck > 0 {
            return stuck;
        }
    }
    if let Some(leak) = settings.leak {
        // In a stack of its own: a leak keeps its stack, and with it the tasks of timers that are armed.
        leak.plant(&stack(ledger), runtime.handle(), &peers.addresses());
    }
    let _inside = runtime.enter();
    drop((callers, clients, outbound));
    0
}

/// Every timeout is off.
fn stack(ledger: &Ledger) -> Outbound {
    let off = Duration::ZERO;
    let timeouts = Timeouts::new().attempt(off).first_byte(off).write_idle(off).body_idle(off);
    Outbound::builder()
        .observer(ledger.clone())
        .timeouts(timeouts)
        .connect_timeout(off)
        .tls_timeout(off)
        .acquire_timeout(off)
        .max_in_flight_per_origin(MAX_IN_FLIGHT)
        .build()
}
