//! The rows of a trace.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use opentelemetry::trace::SpanId;

use super::bar::Bar;
use super::text::clean;

/// Maximum indentation.
const DEEPEST: usize = 64;

#[derive(Clone, Debug)]
pub(super) struct Row {
    /// Indented, with the service and a trailing space.
    pub(super) name: String,
    /// The mark of a failure and the bar's note.
    pub(super) note: String,
    pub(super) bar: Bar,
}

/// The rows: each bar below its parent, roots in the given order, children by start.
pub(super) fn rows(bars: impl IntoIterator<Item = Bar>) -> Vec<Row> {
    let bars: Vec<Bar> = bars.into_iter().collect();
    let ids: HashSet<SpanId> = bars.iter().map(|bar| bar.id).collect();
    let (mut roots, mut children) = (Vec::new(), HashMap::<SpanId, Vec<Bar>>::new());
    for bar in bars {
        match bar.parent != SpanId::INVALID && ids.contains(&bar.parent) {
            true => children.entry(bar.parent).or_default().push(bar),
            false => roots.push(bar),
        }
    }
    for siblings in children.values_mut() {
        // Of two bars with the same start, the longer one is first.
        siblings.sort_by_key(|bar| (bar.start, Reverse(bar.end)));
    }
    let mut rows = Vec::with_capacity(ids.len());
    // An explicit stack: deep trees must not overflow the thread's.
    let mut next: Vec<_> = roots.into_iter().rev().map(|root| (1, None, root)).collect();
    while let Some((depth, above, bar)) = next.pop() {
        let own = children.remove(&bar.id).unwrap_or_default();
        next.extend(own.into_iter().rev().map(|child| (depth + 1, bar.service.clone(), child)));
        rows.push(row(depth, above.as_ref(), bar));
    }
    // Left are bars that are their own ancestors.
    rows.extend(children.into_values().flatten().map(|bar| row(1, None, bar)));
    rows
}

fn row(depth: usize, above: Option<&Arc<str>>, bar: Bar) -> Row {
    let mut name = format!("{}{}", "  ".repeat(depth.min(DEEPEST)), clean(&bar.name));
    if let Some(service) = bar.service.as_ref().filter(|&service| Some(service) != above) {
        name.extend([" (", &clean(service), ")"]);
    }
    name.push(' ');
    let mark = if bar.failed { "✗ " } else { "" };
    let note = format!("{mark}{}", clean(&bar.note)).trim_end().to_owned();
    Row { name, note, bar }
}
