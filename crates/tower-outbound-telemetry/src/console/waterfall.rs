//! Waterfalls of traces.

use std::fmt;
use std::time::Duration;

use super::bar::Bar;
use super::blocks::blocks;
use super::text::clean;
use super::tree::{Row, rows};
use super::unit::millis;

/// Default width.
pub(super) const WIDTH: usize = 100;
/// Width of the duration.
const TIME: usize = 10;
/// Minimum width of a bar.
const NARROWEST: usize = 10;

/// Spans as bars on a time axis, indented below their parents.
///
/// `Display` draws the waterfall. Default: 100 columns, without colours. All traces have the same scale, and each starts at
/// its first span.
///
/// # Example
/// ```
/// use std::time::Duration;
///
/// use opentelemetry::trace::SpanId;
/// use tower_outbound_telemetry::console::{Bar, Waterfall};
///
/// let [get, wait] = [1, 2].map(|id: u64| SpanId::from_bytes(id.to_be_bytes()));
/// let ms = Duration::from_millis;
/// let bars = [
///     Bar::new(get, "GET", ms(0), ms(8)).service("shop").note("200"),
///     Bar::new(wait, "outbound.wait", ms(2), ms(6)).child_of(get),
/// ];
/// let waterfall = Waterfall::new().width(63).trace("WARM", "connection 1 reused", bars);
/// assert_eq!(
///     waterfall.to_string(),
///     "\
/// WARM  8.00 ms, connection 1 reused
///   GET (shop)      │████████████████████████████│   8.00 ms  200
///     outbound.wait │       ██████████████       │   4.00 ms
///                    0                    8.00 ms
/// "
/// );
/// ```
#[derive(Clone, Debug)]
pub struct Waterfall {
    width: usize,
    colors: bool,
    traces: Vec<Trace>,
}

#[derive(Clone, Debug)]
struct Trace {
    title: String,
    detail: String,
    rows: Vec<Row>,
}

impl Waterfall {
    /// An empty waterfall.
    #[must_use]
    pub fn new() -> Self {
        Self { width: WIDTH, colors: false, traces: Vec::new() }
    }

    /// The width in columns. Lines are longer if names, times and notes need more.
    #[must_use]
    pub fn width(mut self, columns: usize) -> Self {
        self.width = columns;
        self
    }

    /// Whether to use ANSI sequences: bold titles, and red rows for failures.
    #[must_use]
    pub fn colors(mut self, colors: bool) -> Self {
        self.colors = colors;
        self
    }

    /// Adds a trace: its title, text for the end of the title line, and its spans. Roots keep their order.
    #[must_use]
    pub fn trace(
        mut self,
        title: impl Into<String>,
        detail: impl Into<String>,
        bars: impl IntoIterator<Item = Bar>,
    ) -> Self {
        self.traces.push(Trace { title: title.into(), detail: detail.into(), rows: rows(bars) });
        self
    }
}

impl Default for Waterfall {
    fn default() -> Self {
        Self::new()
    }
}

impl Trace {
    fn start(&self) -> Duration {
        self.rows.iter().map(|row| row.bar.start).min().unwrap_or_default()
    }

    /// From the first start to the last end.
    fn total(&self) -> Duration {
        let end = self.rows.iter().map(|row| row.bar.end).max();
        end.unwrap_or_default().saturating_sub(self.start())
    }
}

impl fmt::Display for Waterfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widest = |text: fn(&Row) -> &str| {
            let rows = self.traces.iter().flat_map(|trace| &trace.rows);
            rows.map(|row| text(row).chars().count()).max().unwrap_or(0)
        };
        let names = widest(|row| &row.name).min(self.width / 2);
        let notes = match widest(|row| &row.note).min(self.width / 3) {
            0 => 0,
            notes => notes + 2,
        };
        let width = self.width.saturating_sub(names + TIME + 2 + notes).max(NARROWEST);
        let scale = self.traces.iter().map(Trace::total).max().unwrap_or_default();
        let paint = |on, code| if on && self.colors { (code, "\u{1b}[0m") } else { ("", "") };

        for (number, trace) in self.traces.iter().enumerate() {
            if number > 0 {
                writeln!(f)?;
            }
            let (bold, plain) = paint(true, "\u{1b}[1m");
            write!(f, "{bold}{}{plain}  {}", clean(&trace.title), millis(trace.total()))?;
            let comma = if trace.detail.is_empty() { "" } else { ", " };
            writeln!(f, "{comma}{}", clean(&trace.detail))?;
            let start = trace.start();
            let share = |at: Duration| at.saturating_sub(start).as_nanos() as f64 / scale.as_nanos() as f64;
            for Row { name, note, bar } in &trace.rows {
                let (red, plain) = paint(bar.failed, "\u{1b}[31m");
                let name: String = name.chars().take(names).collect();
                let drawn = blocks(share(bar.start), share(bar.end), width);
                let gap = if note.is_empty() { "" } else { "  " };
                let time = millis(bar.duration());
                writeln!(f, "{red}{name:names$}│{drawn}│{time:>TIME$}{gap}{note}{plain}")?;
            }
            writeln!(f, "{:names$} 0{:>2$}", "", millis(scale), width - 1)?;
        }
        Ok(())
    }
}
