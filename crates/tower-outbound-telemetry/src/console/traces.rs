//! Spans that wait for their trace's local root.

use std::collections::{HashMap, HashSet};
use std::mem::take;
use std::time::Duration;

use opentelemetry::trace::{SpanId, TraceId};

use super::bar::Bar;

/// Maximum number of known traces, with and without waiting spans.
pub(super) const TRACES: usize = 256;
/// Maximum number of waiting spans per trace.
pub(super) const SPANS: usize = 500;

/// The known traces.
#[derive(Default)]
pub(super) struct Traces {
    traces: HashMap<TraceId, Trace>,
    /// The number of traces so far.
    count: u64,
}

#[derive(Default)]
struct Trace {
    number: u64,
    waiting: Vec<Bar>,
    /// The roots whose spans can be printed.
    ready: Vec<usize>,
    /// Spans dropped because too many waited.
    dropped: usize,
    /// Printed spans, at most [`SPANS`]. Their children are printed when they end.
    printed: HashSet<SpanId>,
    /// The start of the first printed span.
    start: Option<Duration>,
}

/// Spans of one trace that are printed together.
pub(super) struct Part {
    pub(super) trace: TraceId,
    /// Sorted by start.
    pub(super) bars: Vec<Bar>,
    pub(super) dropped: usize,
    /// The start of the first span printed before, if any.
    pub(super) earlier: Option<Duration>,
}

impl Traces {
    /// Adds a span. Returns true if the span and those below can be printed.
    pub(super) fn add(&mut self, id: TraceId, bar: Bar, is_root: bool) -> bool {
        let trace = self.traces.entry(id).or_insert_with(|| {
            self.count += 1;
            Trace { number: self.count, ..Trace::default() }
        });
        let is_ready = is_root || trace.printed.contains(&bar.parent);
        if is_ready {
            trace.ready.push(trace.waiting.len());
        } else if trace.waiting.len() >= SPANS {
            trace.dropped += 1;
            return false;
        }
        trace.waiting.push(bar);
        is_ready
    }

    /// Takes the spans of a trace that can be printed, if any.
    pub(super) fn take_ready(&mut self, id: TraceId) -> Option<Part> {
        let trace = self.traces.get_mut(&id).filter(|trace| !trace.ready.is_empty())?;
        let mut children: HashMap<SpanId, Vec<usize>> = HashMap::new();
        for (index, bar) in trace.waiting.iter().enumerate() {
            children.entry(bar.parent).or_default().push(index);
        }
        let mut is_ready = vec![false; trace.waiting.len()];
        let mut next = take(&mut trace.ready);
        while let Some(index) = next.pop() {
            is_ready[index] = true;
            next.extend(children.remove(&trace.waiting[index].id).unwrap_or_default());
        }
        let mut ready = is_ready.into_iter();
        let (bars, waiting) = take(&mut trace.waiting).into_iter().partition(|_| ready.next() == Some(true));
        trace.waiting = waiting;
        trace.part(id, bars)
    }

    /// Removes the oldest traces: first those without waiting spans, then others, which are returned.
    pub(super) fn evict(&mut self) -> Vec<Part> {
        let surplus = self.traces.len().saturating_sub(TRACES);
        if surplus == 0 {
            return Vec::new();
        }
        let mut oldest: Vec<_> = self.traces.iter().map(|(id, trace)| (trace.age(), *id)).collect();
        oldest.sort_unstable_by_key(|(age, _)| *age);
        let removed = oldest[..surplus].iter().filter_map(|(_, id)| {
            let mut trace = self.traces.remove(id)?;
            let bars = take(&mut trace.waiting);
            trace.part(*id, bars)
        });
        removed.collect()
    }

    /// Takes all waiting spans, the oldest trace first.
    pub(super) fn take_all(&mut self) -> Vec<Part> {
        let mut traces: Vec<_> = self.traces.iter_mut().collect();
        traces.sort_by_key(|(_, trace)| trace.number);
        let parts = traces.into_iter().filter_map(|(id, trace)| {
            let bars = take(&mut trace.waiting);
            trace.part(*id, bars)
        });
        parts.collect()
    }
}

impl Trace {
    /// Traces with the smallest value are removed first.
    fn age(&self) -> (bool, u64) {
        (!self.waiting.is_empty(), self.number)
    }

    /// Marks these spans as printed; `None` if there are none.
    fn part(&mut self, trace: TraceId, mut bars: Vec<Bar>) -> Option<Part> {
        self.ready.clear();
        bars.sort_by_key(|bar| bar.start);
        let start = bars.first()?.start;
        let room = SPANS.saturating_sub(self.printed.len());
        self.printed.extend(bars.iter().map(|bar| bar.id).take(room));
        let earlier = self.start.replace(self.start.unwrap_or(start));
        Some(Part { trace, bars, dropped: take(&mut self.dropped), earlier })
    }
}
