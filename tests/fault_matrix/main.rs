//! Every fault × protocol × fresh and reused connection: what is told is what the document says.
//!
//! `cargo test --release -p outbound-tests fault_matrix -- --nocapture` prints every cell, and one line at the end.

mod cell;
mod connect;
mod expected;
mod http1;
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
    fn check(&mut self, slug: &str, how: &str, expected: &Expected, result: &Result) {
        self.faults.insert(slug.to_owned());
        self.cells += 1;
        let differs = expected.differs(&result.outcome, &result.class) || !result.disagreement.is_empty();
        println!("{slug:<32} {how:<18} {:<44} {}", result.outcome, result.class);
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
    let peers = http1::faults();
    for (slug, [http1, _]) in table() {
        let cells = matrix.cells;
        let Some(expected) = http1 else { continue };
        for tls in [false, true] {
            let transport = if tls { "HTTP/1 over TLS" } else { "HTTP/1" };
            // Before a handshake a cut is one of TLS.
            let applies = !(tls && slug.ends_with("-at-accept"));
            for fault in peers.iter().filter(|fault| fault.slug == slug && applies) {
                for reused in [false, true]
                    .into_iter()
                    .filter(|reused| if *reused { fault.reused } else { fault.fresh })
                {
                    let how = format!("{transport}, {}", if reused { "reused" } else { "fresh" });
                    matrix.check(&slug, &how, &expected, &cell::run(fault, tls, reused).await);
                }
            }
            if let Some(result) = connect::run(&slug, tls).await {
                matrix.check(&slug, &format!("{transport}, fresh"), &expected, &result);
            }
        }
        if matrix.cells == cells {
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
