//! Checks as tests `peers::<peer>::<check>`, and the peers of the run.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use outbound_tests::cells::{Completion, Failed, Program};
use outbound_tests::peers::Peer;
use tokio::runtime::Runtime;

/// The bound of a check: a check that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(60);

type Run = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// A check against a peer. It fails by a panic.
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

/// The peers of the checks that were selected.
#[derive(Clone, Default)]
struct Peers(Arc<Mutex<Taken>>);

#[derive(Default)]
struct Taken {
    ran: BTreeSet<&'static str>,
    missing: BTreeSet<&'static str>,
}

/// Runs the selected checks, one after another by default, then prints the peers, and `summary`.
pub(crate) fn run(checks: Vec<Check>, summary: fn() -> String) -> ExitCode {
    let required = std::env::var("OUTBOUND_REQUIRE_PEERS").is_ok_and(|value| value == "1");
    let peers = Peers::default();
    // Some checks measure time.
    let mut program = Program::new("peers").one_at_a_time();
    for check in checks {
        let peers = peers.clone();
        let path = format!("{}::{}", check.peer.name, check.name);
        program.test(&path, move || peers.run(check, required));
    }
    program.run(|| {
        println!("{}\n{}", peers.summary(), summary());
        Vec::new()
    })
}

impl Peers {
    fn run(&self, check: Check, required: bool) -> Result<Completion, Failed> {
        let peer = check.peer;
        let found = peer.find().is_some();
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if found { &mut taken.ran } else { &mut taken.missing }.insert(peer.name);
        drop(taken);
        match (found, required) {
            (true, _) => attempt(check.run),
            (false, true) => Err(format!("{} is not found", peer.name).into()),
            (false, false) => Ok(Completion::ignored_with(format!("skipped, no {}", peer.name))),
        }
    }

    fn summary(&self) -> String {
        let taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut parts = Vec::new();
        if !taken.ran.is_empty() {
            parts.push(format!("ran {}", Vec::from_iter(taken.ran.iter().copied()).join(", ")));
        }
        if !taken.missing.is_empty() {
            let skipped =
                taken.missing.iter().map(|name| format!("{name} (not found; tests/peers/install {name})"));
            parts.push(format!("skipped {}", Vec::from_iter(skipped).join(", ")));
        }
        format!("real peers: {}", if parts.is_empty() { "none".to_owned() } else { parts.join("; ") })
    }
}

fn attempt(run: Run) -> Result<Completion, Failed> {
    let runtime = Runtime::new()?;
    let task = runtime.spawn(run());
    let abort = task.abort_handle();
    match runtime.block_on(async { tokio::time::timeout(LIMIT, task).await }) {
        Ok(Ok(())) => Ok(Completion::Completed),
        Ok(Err(panic)) => Err(panic.to_string().into()),
        Err(_) => {
            // Its peer is killed with it.
            abort.abort();
            Err(format!("no end after {LIMIT:?}").into())
        }
    }
}
