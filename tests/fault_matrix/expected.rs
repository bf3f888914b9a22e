//! What the document says, before any of it is tried.

const DOCUMENT: &str = include_str!("../../crates/tower-outbound/src/docs/failures.md");

/// A row of the table of faults, for one version of HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    /// `ok`, `cancelled`, or a kind; several where it is a race.
    pub(crate) kinds: Vec<String>,
    pub(crate) class: String,
    pub(crate) phases: Vec<String>,
}

/// The rows by name, in order: HTTP/1 and HTTP/2, `None` where the fault does not apply.
pub(crate) fn table() -> Vec<(String, [Option<Expected>; 2])> {
    let lines = DOCUMENT.lines().skip_while(|line| !line.starts_with("| fault |")).skip(2);
    let rows = lines.take_while(|line| line.starts_with('|')).map(|row| {
        let cells: Vec<_> =
            row.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect();
        let [slug, http1, http2, class, phase] = cells.as_slice() else { panic!("{row}") };
        let of = |kind: &str, version: usize| {
            (kind != "–").then(|| Expected {
                kinds: list(kind),
                class: alternative(class, version).to_owned(),
                phases: list(alternative(phase, version)),
            })
        };
        ((*slug).to_owned(), [of(http1, 0), of(http2, 1)])
    });
    rows.collect()
}

/// `a / b` is HTTP/1 and HTTP/2.
fn alternative(cell: &str, version: usize) -> &str {
    let mut both = cell.split(" / ");
    let first = both.next().unwrap_or_default();
    if version == 0 { first } else { both.next().unwrap_or(first) }
}

fn list(cell: &str) -> Vec<String> {
    cell.split(", ").map(str::to_owned).filter(|item| item != "–").collect()
}

impl Expected {
    /// What is wrong with this outcome, if anything: `ok`, `cancelled in PHASE`, or `KIND in PHASE`.
    pub(crate) fn differs(&self, outcome: &str, class: &str) -> bool {
        let (kind, phase) = outcome.split_once(" in ").unwrap_or((outcome, ""));
        let kind_fits = self.kinds.iter().any(|expected| expected == kind);
        let phase_fits = kind == "ok" || self.phases.iter().any(|expected| expected == phase);
        let class_fits = kind == "ok" || kind == "cancelled" || self.class == class;
        !(kind_fits && phase_fits && class_fits)
    }
}
