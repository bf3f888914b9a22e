//! What the document says of a fault: kind, class and phase, found by the names of their columns.

const DOCUMENT: &str = include_str!("../../../crates/tower-outbound/src/docs/failures.md");

/// A version of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Http {
    One,
    Two,
}

impl Http {
    pub(crate) const BOTH: [Http; 2] = [Http::One, Http::Two];
}

/// A fault's row for one version of HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// `ok`, or a kind; several where it is a race.
    pub(crate) kinds: Vec<String>,
    /// Several where the kinds of a race are of several.
    pub(crate) classes: Vec<String>,
    pub(crate) phases: Vec<String>,
}

/// Fails if there is no such fault, or not on this version.
pub(crate) fn row(slug: &str, http: Http) -> Row {
    let mut lines = DOCUMENT.lines().skip_while(|line| !line.starts_with("| fault |"));
    let head = cells(lines.next().expect("a table of faults"));
    let mut rows = lines.take_while(|line| line.starts_with('|')).map(cells);
    let row = rows.find(|row| row[0] == slug).unwrap_or_else(|| panic!("no fault {slug} in the document"));
    let cell = |name: &str| {
        let column = head.iter().position(|column| *column == name);
        row[column.unwrap_or_else(|| panic!("no column `{name}` in the document"))]
    };
    let kind = cell(if http == Http::One { "HTTP/1 kind" } else { "HTTP/2 kind" });
    assert_ne!(kind, "–", "{slug} does not apply to {http:?}");
    Row {
        kinds: list(kind),
        classes: list(alternative(cell("class"), http)),
        phases: list(alternative(cell("phase"), http)),
    }
}

fn cells(line: &str) -> Vec<&str> {
    line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect()
}

/// `a / b` is HTTP/1 and HTTP/2.
fn alternative(cell: &str, http: Http) -> &str {
    match cell.split_once(" / ") {
        Some((one, two)) => [one, two][http as usize],
        None => cell,
    }
}

fn list(cell: &str) -> Vec<String> {
    cell.split(", ").map(str::to_owned).collect()
}
