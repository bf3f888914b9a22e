//! The table of faults in `failures.md`: the documented kind, class, phase and send state of each fault.

const DOCUMENT: &str = include_str!("../../../crates/tower-outbound/src/docs/failures.md");

/// The row of a fault for one HTTP version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// `ok`, `cancelled` or a kind. Several if the outcome is a race.
    pub kinds: Vec<String>,
    /// The class, or `–` for none. Several if the racing kinds differ in class.
    pub classes: Vec<String>,
    /// Empty if no phase applies.
    pub phases: Vec<String>,
    /// Empty if the fault is no failure.
    pub sends: Vec<String>,
}

/// All rows in order: name, HTTP/1, HTTP/2. `None` if the fault does not apply to the version.
///
/// # Panics
/// If a row and the head of the table differ in their number of cells.
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

/// The row of one fault for one HTTP version.
///
/// # Panics
/// If the document has no such fault, or says that it does not apply to this version.
#[must_use]
pub fn expected(slug: &str, http2: bool) -> Expected {
    let row = table().into_iter().find(|(name, _)| name == slug);
    let (_, versions) = row.unwrap_or_else(|| panic!("failures.md has no fault {slug}"));
    let [http1_row, http2_row] = versions;
    let row = if http2 { http2_row } else { http1_row };
    row.unwrap_or_else(|| panic!("failures.md: {slug} does not apply (HTTP/2: {http2})"))
}

/// The documented reason why the send state of this fault is unknown.
///
/// # Panics
/// If the document gives two reasons.
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
    /// Whether an outcome (`ok`, `cancelled in PHASE` or `KIND in PHASE`) deviates from this row.
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
