//! Every fault × protocol × fresh and reused connection: what is told is what the document says.
//!
//! `cargo test --release -p outbound-tests fault_matrix -- --nocapture` prints every cell, and one line at the end.

mod cell;
mod connect;
mod expected;
#[path = "../failures/frames.rs"]
#[allow(dead_code, reason = "shared with the tests of failures")]
mod frames;
mod http1;
mod http2;
mod peer;
mod stack;

use std::collections::BTreeSet;

use cell::Result;
use expected::{Expected, table};

/// The cells that ran.
#[derive(Default)]
struct Matrix {
    faults: BTreeSet<String>,
    cells: usize,
    wrong: Vec<String>,
}

impl Matrix {
    /// The cells of a fault on one kind of connection.
    async fn run(&mut self, slug: &str, expected: &Expected, http2: bool, tls: bool) {
        let how = |reused: bool| {
            let version = if http2 { "HTTP/2" } else { "HTTP/1" };
            let (tls, reused) = (if tls { " over TLS" } else { "" }, if reused { "reused" } else { "fresh" });
            format!("{version}{tls}, {reused}")
        };
        // Before a handshake a cut is one of TLS.
        if tls && slug.ends_with("-at-accept") {
            return;
        }
        if let Some(result) = connect::run(slug, tls, http2).await {
            self.check(slug, &how(false), expected, &result);
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
        self.faults.insert(slug.to_owned());
        self.cells += 1;
        let differs = expected.differs(&result.outcome, &result.class) || !result.disagreement.is_empty();
        println!("{slug:<32} {how:<24} {:<44} {}", result.outcome, result.class);
        if differs {
            let line =
                format!("{slug}, {how}: {} ({}) {}", result.outcome, result.class, result.disagreement);
            println!("  wrong: expected {expected:?} {}", result.disagreement);
            self.wrong.push(line);
        }
    }
}

#[tokio::test]
async fn fault_matrix() {
    let mut matrix = Matrix::default();
    let mut not_run = Vec::new();
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
    println!("not in the matrix yet: {}", not_run.join(", "));
    println!(
        "fault matrix: {} faults, {} cells, {} wrong",
        matrix.faults.len(),
        matrix.cells,
        matrix.wrong.len()
    );
    assert!(matrix.wrong.is_empty(), "{:#?}", matrix.wrong);
}

#[test]
fn a_planted_wrong_expectation_is_found() {
    let mut matrix = Matrix::default();
    let row = table().into_iter().find(|(slug, _)| slug == "fin-mid-body").unwrap();
    let expected = row.1[0].clone().unwrap();
    let class = "connection_reset".to_owned();
    let told = Result { outcome: "response_ended in body".to_owned(), class, disagreement: String::new() };
    matrix.check("fin-mid-body", "as it is", &expected, &told);
    assert_eq!(matrix.wrong.len(), 0);
    for planted in [
        Expected { kinds: vec!["connection_reset".to_owned()], ..expected.clone() },
        Expected { phases: vec!["wait".to_owned()], ..expected.clone() },
        Expected { class: "timeout".to_owned(), ..expected },
    ] {
        let mut matrix = Matrix::default();
        matrix.check("fin-mid-body", "planted", &planted, &told);
        assert_eq!(matrix.wrong.len(), 1, "{planted:?}");
    }
}
