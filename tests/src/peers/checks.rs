//! Checks against real software, as tests of a program, and the peers of the run.

use std::collections::BTreeSet;
use std::fmt;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Runtime;

use super::Peer;
use crate::cells::{Completion, Failed, Program};

/// The bound of a check: a check that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(60);

type Run = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// A check against a peer. It fails by a panic, or if it takes more than 60 s.
pub struct Check {
    name: String,
    peers: Vec<Peer>,
    optional: bool,
    run: Run,
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check").field("name", &self.name).field("peers", &self.peers).finish_non_exhaustive()
    }
}

impl Check {
    /// The test of this name, in the module of its peer.
    pub fn new<F>(name: &str, peer: Peer, run: impl FnOnce() -> F + Send + 'static) -> Check
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Check {
            name: name.to_owned(),
            peers: vec![peer],
            optional: false,
            run: Box::new(move || Box::pin(run())),
        }
    }

    /// It is skipped without its peers, also if `OUTBOUND_REQUIRE_PEERS=1`.
    #[must_use]
    pub fn optional(mut self) -> Check {
        self.optional = true;
        self
    }

    /// It needs this peer too.
    #[must_use]
    pub fn and(mut self, peer: Peer) -> Check {
        self.peers.push(peer);
        self
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

/// Runs the selected checks as tests `<program>::<peer>::<check>` (without the peer if it is the program's name), then
/// prints the peers, and `summary`.
///
/// A check is skipped if its peer is not found, unless `OUTBOUND_REQUIRE_PEERS=1` makes that a failure.
pub fn run(mut program: Program, checks: Vec<Check>, summary: impl FnOnce() -> String) -> ExitCode {
    let required = std::env::var("OUTBOUND_REQUIRE_PEERS").is_ok_and(|value| value == "1");
    let peers = Peers::default();
    for check in checks {
        let peers = peers.clone();
        let path = match check.peers[0].name {
            name if name == program.name() => check.name.clone(),
            name => format!("{name}::{}", check.name),
        };
        program.test(&path, move || peers.run(check, required));
    }
    program.run(|| {
        println!("{}\n{}", peers.summary(), summary());
        Vec::new()
    })
}

impl Peers {
    fn run(&self, check: Check, required: bool) -> Result<Completion, Failed> {
        let missing = check.peers.iter().find(|peer| peer.find().is_none());
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match missing {
            None => taken.ran.extend(check.peers.iter().map(|peer| peer.name)),
            Some(peer) => drop(taken.missing.insert(peer.name)),
        }
        drop(taken);
        match (missing, required && !check.optional) {
            (None, _) => attempt(check.run),
            (Some(peer), true) => Err(format!("{} is not found", peer.name).into()),
            (Some(peer), false) => Ok(Completion::ignored_with(format!("skipped, no {}", peer.name))),
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
