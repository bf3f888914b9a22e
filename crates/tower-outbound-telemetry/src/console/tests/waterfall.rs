//! The waterfall without an exporter.

use std::time::Duration;

use crate::console::{Bar, Waterfall};

/// A bar with times in milliseconds. Parent 0 means none.
fn bar(id: u64, parent: u64, name: &str, from: u64, to: u64) -> Bar {
    let ms = Duration::from_millis;
    Bar::new(id.into(), name, ms(from), ms(to)).child_of(parent.into())
}

#[test]
fn waterfall_traces_share_scale_and_start_at_zero() {
    let cold = [bar(1, 0, "GET (gateway)", 100, 116), bar(2, 1, "GET (upstream)", 104, 112)];
    let warm = [bar(1, 9, "GET (gateway)", 500, 508)];
    let waterfall =
        Waterfall::new().width(47).trace("COLD", "HTTP/2 on connection 1", cold).trace("WARM", "", warm);
    assert_eq!(
        waterfall.to_string(),
        "\
COLD  16.00 ms, HTTP/2 on connection 1
  GET (gateway)    │████████████████│  16.00 ms
    GET (upstream) │    ████████    │   8.00 ms
                    0       16.00 ms

WARM  8.00 ms
  GET (gateway)    │████████        │   8.00 ms
                    0       16.00 ms
"
    );
}

#[test]
fn waterfall_service_named_only_on_change() {
    let bars = [
        bar(1, 0, "a", 0, 1).service("shop"),
        bar(2, 1, "b", 0, 1).service("shop"),
        bar(3, 2, "c", 0, 1).service("stock"),
        bar(4, 3, "d", 0, 1).service("shop"),
        bar(5, 4, "e", 0, 1),
    ];
    assert_eq!(names(bars), ["  a (shop)", "    b", "      c (stock)", "        d (shop)", "          e"]);
}

#[test]
fn waterfall_children_sorted_by_start_then_longest() {
    let bars = [
        bar(1, 0, "root", 0, 9),
        bar(2, 1, "last", 5, 9),
        bar(3, 1, "short", 1, 2),
        bar(4, 1, "long", 1, 5),
        bar(5, 0, "earlier root", 0, 1),
    ];
    assert_eq!(names(bars), ["  root", "    long", "    short", "    last", "  earlier root"]);
}

#[test]
fn waterfall_bars_with_invalid_ids_get_a_row_each() {
    // A bar that is its own parent, a cycle of two, a duplicate id with a child, and the invalid id.
    let bars = [
        bar(1, 1, "a", 0, 1),
        bar(2, 3, "b", 0, 1),
        bar(3, 2, "c", 0, 1),
        bar(4, 0, "d", 0, 1),
        bar(4, 0, "e", 0, 1),
        bar(5, 4, "f", 0, 1),
        bar(0, 0, "g", 0, 1),
    ];
    let mut names = names(bars);
    names.sort_by_key(|name| name.trim().to_owned());
    assert_eq!(names, ["  a", "  b", "  c", "  d", "  e", "    f", "  g"]);
}

#[test]
fn waterfall_deep_trace_no_stack_overflow() {
    let bars = (1..=100_000).map(|id| bar(id, id - 1, "x", 0, 1));
    let text = Waterfall::new().trace("t", "", bars).to_string();
    assert_eq!(text.lines().count(), 100_002);
}

#[test]
fn waterfall_too_narrow_width_is_exceeded() {
    let text = |width| {
        let failed = bar(1, 0, "outbound.send", 0, 8).failed(true).note("stream_reset #12 reused");
        Waterfall::new().width(width).trace("t", "", [failed]).to_string()
    };
    for width in [0, 1, 20] {
        let text = text(width);
        assert!(text.contains("│██████████│   8.00 ms  ✗ stream_reset #12 reused\n"), "{width}: {text}");
    }
}

#[test]
fn waterfall_colors_bold_titles_and_red_failures() {
    let bars = [bar(1, 0, "a", 0, 8).failed(true), bar(2, 1, "b", 0, 8)];
    assert_eq!(
        Waterfall::new().width(31).colors(true).trace("t", "x", bars).to_string(),
        "\u{1b}[1mt\u{1b}[0m  8.00 ms, x\n\
         \u{1b}[31m  a   │██████████│   8.00 ms  ✗\u{1b}[0m\n    b │██████████│   8.00 ms\n       0  8.00 ms\n"
    );
}

#[test]
fn waterfall_empty_or_zero_duration_is_drawn() {
    assert_eq!(Waterfall::new().to_string(), "");
    assert_eq!(Waterfall::new().width(20).trace("t", "", []).to_string(), "t  <0.01 ms\n 0 <0.01 ms\n");
    // Also a bar that ends before it starts.
    let bars = [bar(1, 0, "a", 5, 5), bar(2, 1, "b", 5, 3)];
    assert_eq!(
        Waterfall::new().width(28).trace("t", "", bars).to_string(),
        "t  <0.01 ms\n  a   │▏         │  <0.01 ms\n    b │▏         │  <0.01 ms\n       0 <0.01 ms\n"
    );
}

/// The row names, indented.
fn names<const N: usize>(bars: [Bar; N]) -> Vec<String> {
    let text = Waterfall::new().trace("t", "", bars).to_string();
    let rows = text.lines().skip(1).take(N);
    rows.map(|row| row.split('│').next().unwrap().trim_end().to_owned()).collect()
}
