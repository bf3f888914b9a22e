//! The tables of the semantic conventions, as `tower-outbound-otel` has them.

use std::collections::BTreeMap;

const TABLES: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../crates/tower-outbound-otel/tests/conventions/v1.44.0.md"
));

/// The table of a span or a metric.
#[derive(Clone, Debug)]
pub struct Table {
    /// `histogram`, `counter` or `updowncounter`; empty for a span.
    pub kind: String,
    /// Empty for a span.
    pub unit: String,
    /// Empty if the convention names none.
    pub buckets: Vec<f64>,
    /// The attributes.
    pub rows: Vec<Row>,
}

/// An attribute.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its name, or a prefix and `<key>`.
    pub attribute: String,
    /// `string`, `int` or `string[]`.
    pub value_type: String,
    /// `Required`, `Conditionally Required`, `Recommended` or `Opt-In`.
    pub level: String,
    /// The name of the condition.
    pub condition: String,
}

impl Row {
    /// Whether the row is about this attribute.
    #[must_use]
    pub fn is(&self, attribute: &str) -> bool {
        match self.attribute.strip_suffix("<key>") {
            Some(prefix) => attribute.starts_with(prefix),
            None => self.attribute == attribute,
        }
    }
}

/// Tables by title, such as `span http.client` or `metric http.client.request.duration`.
///
/// # Panics
/// If the file has another form.
#[must_use]
pub fn tables() -> BTreeMap<String, Table> {
    let sections = TABLES.split("\n## ").skip(1).map(|section| {
        let (title, rows) = section.split_once('\n').expect("a title");
        let words: Vec<_> = title.split(' ').collect();
        let word = |at: usize| words.get(at).copied().unwrap_or_default().to_owned();
        let rows = rows.lines().filter(|line| line.starts_with("| ")).skip(2).map(|line| {
            let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
            let [attribute, value_type, level, _, condition] = cells[..] else {
                panic!("five cells in {line:?}")
            };
            let [attribute, value_type, level, condition] =
                [attribute, value_type, level, condition].map(str::to_owned);
            Row { attribute, value_type, level, condition }
        });
        let buckets = words.iter().skip(4).map(|bucket| bucket.parse().expect("a number"));
        let table = Table { kind: word(2), unit: word(3), buckets: buckets.collect(), rows: rows.collect() };
        (format!("{} {}", word(0), word(1)), table)
    });
    sections.collect()
}
