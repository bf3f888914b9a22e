//! The cells, and the results of those that ran.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use outbound_tests::cells::{Completion, Failed, slug};
use outbound_tests::faults::{Expected, http1, http2, reason, table};

use crate::attempt::Outcome;
use crate::{connect, open_connection};

/// A fault on one kind of connection.
pub(crate) struct Cell {
    pub(crate) slug: String,
    http2: bool,
    tls: bool,
    reused: bool,
    expected: Expected,
    fault: Fault,
}

enum Fault {
    /// Before there is a connection.
    Connect,
    Http1(http1::Fault),
    Http2(http2::Fault),
}

/// The cells of the document's faults, in its order.
pub(crate) fn cells() -> Vec<Cell> {
    let mut cells = Vec::new();
    for (slug, rows) in table() {
        for (expected, http2) in rows.into_iter().zip([false, true]) {
            let Some(expected) = expected else { continue };
            for tls in [false, true] {
                cells.extend(faults(&slug, http2, tls).into_iter().map(|(fault, reused, pinned)| Cell {
                    slug: slug.clone(),
                    http2,
                    tls,
                    reused,
                    expected: pin(expected.clone(), pinned),
                    fault,
                }));
            }
        }
    }
    cells
}

type Pin = Option<(&'static str, &'static str)>;

/// The faults of this name, whether each meets a reused connection, and what each is pinned to.
fn faults(slug: &str, http2: bool, tls: bool) -> Vec<(Fault, bool, Pin)> {
    let mut found = Vec::new();
    if connect::runs(slug, tls) {
        found.push((Fault::Connect, false, connect::pinned(slug, http2)));
    }
    // The handshake comes before a connection.
    if tls && slug.ends_with("-at-accept") {
        return found;
    }
    for reused in [false, true] {
        if http2 {
            let faults = http2::faults().into_iter().filter(|fault| fault.slug == slug && fault.runs(reused));
            found.extend(faults.map(|fault| {
                let pinned = fault.pinned;
                (Fault::Http2(fault), reused, pinned)
            }));
        } else {
            let faults = http1::faults().into_iter().filter(|fault| fault.slug == slug && fault.runs(reused));
            found.extend(faults.map(|fault| {
                let pinned = fault.pinned;
                (Fault::Http1(fault), reused, pinned)
            }));
        }
    }
    found
}

/// What a cell of this row expects: one phase, also where the document allows a race.
fn pin(expected: Expected, pinned: Pin) -> Expected {
    let Some((phase, send)) = pinned else { return expected };
    let of = |allowed: &[String], what: &str| {
        assert!(allowed.iter().any(|allowed| allowed == what), "{what} is not documented: {allowed:?}");
        vec![what.to_owned()]
    };
    let (phases, sends) = (of(&expected.phases, phase), of(&expected.sends, send));
    Expected { phases, sends, ..expected }
}

impl Cell {
    /// Its test's name without the program's.
    pub(crate) fn path(&self) -> String {
        let version = if self.http2 { "http2" } else { "http1" };
        let transport = if self.tls { "tls" } else { "tcp" };
        let connection = if self.reused { "reused" } else { "fresh" };
        let variant = match self.variant() {
            "" => String::new(),
            variant => format!("::{variant}"),
        };
        format!("{version}::{}{variant}::{transport}_{connection}", slug(&self.slug))
    }

    fn variant(&self) -> &'static str {
        match &self.fault {
            Fault::Connect => "",
            Fault::Http1(fault) => fault.variant,
            Fault::Http2(fault) => fault.variant,
        }
    }

    pub(crate) fn expected(&self) -> &Expected {
        &self.expected
    }

    async fn play(&self) -> Outcome {
        match &self.fault {
            Fault::Connect => connect::run(&self.slug, self.tls, self.http2).await,
            Fault::Http1(fault) => open_connection::run_http1(fault, self.tls, self.reused).await,
            Fault::Http2(fault) => open_connection::run_http2(fault, self.tls, self.reused).await,
        }
    }
}

/// The cells that ran. Clones are the same matrix.
#[derive(Clone, Default)]
pub(crate) struct Matrix(Arc<Mutex<Tally>>);

#[derive(Default)]
struct Tally {
    faults: BTreeSet<String>,
    cells: usize,
    wrong: usize,
    /// Cells whose send state is unknown, with the document's reason.
    unknown: Vec<String>,
}

impl Matrix {
    /// Runs a cell in a runtime of its own.
    pub(crate) fn run(&self, cell: &Cell, prints: bool) -> Result<Completion, Failed> {
        // A cell that panics is wrong.
        self.count(|tally| {
            tally.faults.insert(cell.slug.clone());
            tally.cells += 1;
            tally.wrong += 1;
        });
        let outcome = block_on(cell.play());
        if outcome.send == "unknown" {
            let reason = reason(&cell.slug).unwrap_or("no reason is documented");
            self.count(|tally| tally.unknown.push(format!("{}: {reason}", cell.path())));
        }
        let deviation = deviation(&cell.slug, cell.expected(), &outcome);
        if prints {
            println!("{:<60} {}", cell.path(), outcome.line());
        }
        match deviation {
            Some(deviation) => Err(deviation.into()),
            None => {
                self.count(|tally| tally.wrong -= 1);
                Ok(Completion::Completed)
            }
        }
    }

    fn count(&self, how: impl FnOnce(&mut Tally)) {
        how(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Prints the results. The last line is stable, for programs.
    pub(crate) fn print_summary(&self, prints: bool) {
        let mut tally = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if prints && !tally.unknown.is_empty() {
            println!("The send state is unknown in:");
            tally.unknown.sort();
            for cell in &tally.unknown {
                println!("  {cell}");
            }
        }
        println!("fault matrix: {} faults, {} cells, {} wrong", tally.faults.len(), tally.cells, tally.wrong);
    }
}

/// How an outcome deviates from the document or from the peer's view; `None` if it does not.
pub(crate) fn deviation(slug: &str, expected: &Expected, outcome: &Outcome) -> Option<String> {
    let Outcome { outcome: what, class, send, disagreement, .. } = outcome;
    let unexplained = send == "unknown" && reason(slug).is_none();
    let deviates = expected.differs(what, class, send) || !disagreement.is_empty() || unexplained;
    deviates.then(|| {
        let unexplained = if unexplained { "; failures.md has no reason for `unknown`" } else { "" };
        format!("{}; expected {expected:?} {disagreement}{unexplained}", outcome.line())
    })
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(future)
}

/// The number of this process's TCP sockets; 0 without `/proc`.
pub(crate) fn sockets() -> usize {
    let read = |table| std::fs::read_to_string(table).unwrap_or_default();
    let tables = [read("/proc/self/net/tcp"), read("/proc/self/net/tcp6")].concat();
    // The inode is the tenth column.
    let known: BTreeSet<_> = tables.lines().filter_map(|line| line.split_whitespace().nth(9)).collect();
    let links = std::fs::read_dir("/proc/self/fd").into_iter().flatten();
    let links = links.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    let is_tcp = |link: &std::path::PathBuf| {
        let inode = link.to_str().and_then(|link| link.strip_prefix("socket:[")?.strip_suffix(']'));
        inode.is_some_and(|inode| known.contains(inode))
    };
    links.filter(is_tcp).count()
}
