//! Every fault × protocol × fresh and reused connection: what is told is what the document says.
//!
//! `cargo test --release -p outbound-tests fault_matrix -- --nocapture` prints every cell, and one line at the end.

mod cell;
mod connect;
mod dial;
#[path = "../failures/frames.rs"]
#[allow(dead_code, reason = "shared with the tests of failures")]
mod frames;
mod http1;
mod http2;
mod peer;
mod queue;
mod sent;
mod stack;
mod system;
mod waits;

use std::collections::BTreeSet;

use cell::Result;
use outbound_tests::faults::{Expected, reason, table};
use sent::{Client, Seen};
use tower_outbound::SendState;

/// The cells that ran.
#[derive(Default)]
struct Matrix {
    faults: BTreeSet<String>,
    cells: usize,
    wrong: Vec<String>,
    /// Cells in which nobody can tell what was sent, with the document's reason.
    unknown: Vec<String>,
}

impl Matrix {
    /// The cells of a fault on one kind of connection.
    async fn run(&mut self, slug: &str, expected: &Expected, http2: bool, tls: bool) {
        let how = |reused: bool| {
            let version = if http2 { "HTTP/2" } else { "HTTP/1" };
            let (tls, reused) = (if tls { " over TLS" } else { "" }, if reused { "reused" } else { "fresh" });
            format!("{version}{tls}, {reused}")
        };
        if let Some(result) = connect::run(slug, tls, http2).await {
            self.check(slug, &how(false), expected, &result);
        }
        // The others make the handshake first.
        if tls && slug.ends_with("-at-accept") {
            return;
        }
        for reused in [false, true] {
            if http2 {
                for fault in http2::faults().iter().filter(|fault| fault.slug == slug && fault.runs(reused)) {
                    self.check(slug, &how(reused), expected, &cell::run_http2(fault, tls, reused).await);
                }
            } else {
                for fault in http1::faults().iter().filter(|fault| fault.slug == slug && fault.runs(reused)) {
                    self.check(slug, &how(reused), expected, &cell::run_http1(fault, tls, reused).await);
                }
            }
        }
    }

    fn check(&mut self, slug: &str, how: &str, expected: &Expected, result: &Result) {
        let Result { outcome, class, send, disagreement } = result;
        self.faults.insert(slug.to_owned());
        self.cells += 1;
        println!("{slug:<33} {how:<24} {outcome:<44} {class:<18} {send}");
        let mut differs = expected.differs(outcome, class, send) || !disagreement.is_empty();
        if send == "unknown" {
            differs |= reason(slug).is_none();
            self.unknown.push(format!("{slug}, {how}: {}", reason(slug).unwrap_or("no reason is given")));
        }
        if differs {
            self.wrong.push(format!("{slug}, {how}: {outcome} ({class}, {send}) {disagreement}"));
            println!("  wrong: expected {expected:?} {disagreement}");
        }
    }
}

#[tokio::test]
async fn fault_matrix() {
    if system::is_apart().await {
        return;
    }
    let mut matrix = Matrix::default();
    let mut not_run = Vec::new();
    let sockets = sockets();
    for (slug, expected) in table() {
        let cells = matrix.cells;
        let applies = expected.iter().any(Option::is_some);
        for (expected, http2) in expected.iter().zip([false, true]) {
            let Some(expected) = expected else { continue };
            for tls in [false, true] {
                matrix.run(&slug, expected, http2, tls).await;
            }
        }
        if applies && matrix.cells == cells {
            not_run.push(slug);
        }
    }
    assert_eq!(self::sockets(), sockets, "TCP sockets of this process");
    assert!(not_run.is_empty(), "in the document, but not in the matrix: {}", not_run.join(", "));
    println!("unknown is what was sent in");
    for cell in &matrix.unknown {
        println!("  {cell}");
    }
    println!(
        "fault matrix: {} faults, {} cells, {} wrong",
        matrix.faults.len(),
        matrix.cells,
        matrix.wrong.len()
    );
    assert!(matrix.wrong.is_empty(), "{:#?}", matrix.wrong);
}

/// How many of this process's descriptors are TCP sockets; 0 where that cannot be seen.
fn sockets() -> usize {
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

#[tokio::test]
async fn fault_matrix_injected_system_error_matches_document() {
    let mut matrix = Matrix::default();
    for (slug, expected) in table() {
        if matches!(
            &*slug,
            "host-unreachable"
                | "access-denied"
                | "no-descriptors"
                | "local-address-in-use"
                | "local-ports-exhausted"
        ) {
            let result = system::injected(&slug, false, false).await;
            matrix.check(&slug, "by itself", expected[0].as_ref().unwrap(), &result);
        }
    }
    assert_eq!((matrix.cells, matrix.wrong), (5, Vec::<String>::new()));
}

#[test]
fn fault_matrix_detects_planted_wrong_expectation() {
    let mut matrix = Matrix::default();
    let row = table().into_iter().find(|(slug, _)| slug == "fin-mid-body").unwrap();
    let expected = row.1[0].clone().unwrap();
    let told = Result {
        outcome: "response_ended in body".to_owned(),
        class: "connection_reset".to_owned(),
        send: "sent".to_owned(),
        disagreement: String::new(),
    };
    matrix.check("fin-mid-body", "as it is", &expected, &told);
    assert_eq!(matrix.wrong.len(), 0);
    for planted in [
        Expected { kinds: vec!["connection_reset".to_owned()], ..expected.clone() },
        Expected { phases: vec!["wait".to_owned()], ..expected.clone() },
        Expected { classes: vec!["timeout".to_owned()], ..expected.clone() },
        Expected { sends: vec!["not_sent".to_owned(), "partial".to_owned()], ..expected.clone() },
    ] {
        let mut matrix = Matrix::default();
        matrix.check("fin-mid-body", "planted", &planted, &told);
        assert_eq!(matrix.wrong.len(), 1, "{planted:?}");
    }
    // A row that allows it, but nobody has said why.
    let unknown = Result { send: "unknown".to_owned(), ..told };
    let mut matrix = Matrix::default();
    let expected = Expected { sends: vec!["unknown".to_owned()], ..expected };
    matrix.check(
        "bad-chunk",
        "planted",
        &expected,
        &Result { outcome: "response_ended in body".to_owned(), ..unknown },
    );
    assert_eq!(matrix.wrong.len(), 1);
}

#[test]
fn fault_matrix_detects_send_state_contradicting_peer_log() {
    use SendState::{NotProcessed, NotSent, Partial, Sent, Unknown};
    let nothing = Seen::default();
    let blind = Seen { blind: true, ..nothing };
    let some = Seen { read: 70, ..nothing };
    let whole = Seen { read: 100, whole: true, to_the_end: true, ..nothing };
    let ended = |seen: Seen| Seen { to_the_end: true, ..seen };
    let http1 = |written| Client { http2: false, written: Some(written), has_cut: false };
    let http2 = |written| Client { http2: true, written, has_cut: false };
    let all = [NotSent, Partial(80), Sent, NotProcessed, Unknown];
    let cases: [(Seen, Client, &[SendState]); 14] = [
        (nothing, Client { written: None, ..http1(0) }, &[NotSent]),
        (nothing, http1(0), &[NotSent]),
        (nothing, http1(100), &[Sent]),
        (ended(nothing), http1(80), &[Partial(80)]),
        (some, http1(80), &[Partial(80), Sent]),
        (ended(some), http1(80), &[Partial(80)]),
        // More read than written.
        (some, http1(60), &[]),
        (ended(some), http1(90), &[]),
        (ended(some), Client { has_cut: true, ..http1(90) }, &[Partial(80)]),
        (whole, http1(100), &[Sent]),
        (nothing, http2(None), &[NotSent, NotProcessed]),
        (blind, http2(Some(60)), &[NotSent, NotProcessed, Unknown]),
        (whole, http2(Some(100)), &[NotProcessed, Unknown]),
        (Seen { answered: true, ..whole }, http2(None), &[Unknown]),
    ];
    for (seen, client, fits) in cases {
        for state in all {
            let contradiction = seen.contradicts(state, client);
            assert_eq!(contradiction.is_none(), fits.contains(&state), "{state:?}, {client:?}, {seen:?}");
        }
    }
}

#[tokio::test]
async fn fault_matrix_cell_is_wrong_if_peer_log_contradicts() {
    // The peer has read a request, but the failure is one of a connect.
    let mut matrix = Matrix::default();
    let (_, [expected, _]) = table().into_iter().find(|(slug, _)| slug == "connect-refused").unwrap();
    let seen = Seen { read: 70, ..Seen::default() };
    let result = connect::refused_but(seen).await;
    matrix.check("connect-refused", "planted", &expected.unwrap(), &result);
    assert_eq!(matrix.wrong.len(), 1);
}
