//! What the document of failures says of each fault, before any of it is tried.

const DOCUMENT: &str = include_str!("../../crates/tower-outbound/src/docs/failures.md");

/// A row of the table of faults, for one version of HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// `ok`, `cancelled`, or a kind; several where it is a race.
    pub kinds: Vec<String>,
    /// Its class, `–` where there is none; several where it is a race of kinds of several classes.
    pub classes: Vec<String>,
    /// Empty where the phase does not matter.
    pub phases: Vec<String>,
    /// Empty where there is no failure.
    pub sends: Vec<String>,
}

/// The rows by name, in order: HTTP/1 and HTTP/2, `None` where the fault does not apply.
///
/// # Panics
/// If a row has another number of cells than its head.
#[must_use]
pub fn table() -> Vec<(String, [Option<Expected>; 2])> {
    let rows = rows("fault").map(|row| {
        let [slug, http1, http2, class, phase, send] = row.as_slice() else { panic!("{row:?}") };
        let of = |kind: &str, version: usize| {
            (kind != "–").then(|| Expected {
                kinds: list(kind),
                classes: words(alternative(class, version)),
                phases: list(alternative(phase, version)),
                sends: list(alternative(send, version)),
            })
        };
        (slug.trim_matches('`').to_owned(), [of(http1, 0), of(http2, 1)])
    });
    rows.collect()
}

/// Why the send state of this fault is unknown.
///
/// # Panics
/// If there are two reasons.
#[must_use]
pub fn reason(slug: &str) -> Option<&'static str> {
    let mut found = rows("unknown in").filter_map(|row| {
        let [slugs, why] = row.as_slice() else { panic!("{row:?}") };
        slugs.split(", ").any(|one| one.trim_matches('`') == slug).then_some(*why)
    });
    let reason = found.next();
    assert!(found.next().is_none(), "two reasons for {slug}");
    reason
}

/// The cells of the table whose first column has this name.
fn rows(first: &str) -> impl Iterator<Item = Vec<&'static str>> {
    let head = format!("| {first} |");
    let lines = DOCUMENT.lines().skip_while(move |line| !line.starts_with(&head)).skip(2);
    let rows = lines.take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split('|').map(str::trim).collect())
}

/// `a / b` is HTTP/1 and HTTP/2.
fn alternative(cell: &str, version: usize) -> &str {
    let mut both = cell.split(" / ");
    let first = both.next().unwrap_or_default();
    if version == 0 { first } else { both.next().unwrap_or(first) }
}

fn list(cell: &str) -> Vec<String> {
    words(cell).into_iter().filter(|item| item != "–").collect()
}

fn words(cell: &str) -> Vec<String> {
    cell.split(", ").map(str::to_owned).collect()
}

impl Expected {
    /// Whether this outcome is another: `ok`, `cancelled in PHASE`, or `KIND in PHASE`.
    #[must_use]
    pub fn differs(&self, outcome: &str, class: &str, send: &str) -> bool {
        let (kind, phase) = outcome.split_once(" in ").unwrap_or((outcome, ""));
        let one_of = |expected: &[String], what: &str| expected.iter().any(|expected| expected == what);
        let failed = kind != "ok" && kind != "cancelled";
        let phase_fits = kind == "ok" || one_of(&self.phases, phase);
        let class_fits = !failed || one_of(&self.classes, class);
        let send_fits = if failed { one_of(&self.sends, send) } else { send == "–" };
        !(one_of(&self.kinds, kind) && phase_fits && class_fits && send_fits)
    }
}
