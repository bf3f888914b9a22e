//! Limits of waiting traces and spans.

use super::*;

/// The titles printed.
fn titles(printed: &Printed) -> Vec<String> {
    printed.take().lines().filter(|line| line.starts_with("trace ")).map(str::to_owned).collect()
}

#[tokio::test]
async fn console_above_256_waiting_traces_prints_oldest_early() {
    let (exporter, printed) = exporter();
    exporter.export((1..=256).map(|trace| lone(trace, 77)).collect()).await.unwrap();
    assert_eq!(printed.take(), "");
    exporter.export(vec![lone(257, 77), lone(258, 77)]).await.unwrap();
    let early = "printed early: above 256 traces waited for their local root";
    assert_eq!(
        titles(&printed),
        [
            format!("trace 00000000000000000000000000000001  1.00 ms, {early}"),
            format!("trace 00000000000000000000000000000002  1.00 ms, {early}"),
        ]
    );
    exporter.shutdown().unwrap();
    assert_eq!(titles(&printed).len(), 256);
}

#[tokio::test]
async fn console_evicts_printed_trace_before_waiting_trace() {
    let (exporter, printed) = exporter();
    exporter.export(vec![lone(1, 77), lone(2, 0)]).await.unwrap();
    assert_eq!(titles(&printed), ["trace 00000000000000000000000000000002  1.00 ms"]);
    exporter.export((3..=257).map(|trace| lone(trace, 77)).collect()).await.unwrap();
    assert_eq!(printed.take(), "");
    // The second trace is no longer known: its late span waits for a root.
    exporter.export(vec![span(2, 2, 1, "late", 1, 2)]).await.unwrap();
    assert_eq!(
        titles(&printed),
        [
            "trace 00000000000000000000000000000001  1.00 ms, printed early: above 256 traces waited for their \
             local root"
        ]
    );
}

#[tokio::test]
async fn console_300_traces_in_single_batch_printed_whole() {
    let (exporter, printed) = exporter();
    let batch = (1..=300).flat_map(|trace| [span(trace, 2, 1, "child", 0, 1), lone(trace, 0)]);
    exporter.export(batch.collect()).await.unwrap();
    let writes = printed.writes();
    assert_eq!(writes.len(), 300);
    for (number, text) in writes.iter().enumerate() {
        assert!(text.starts_with(&format!("trace {:032x}  1.00 ms\n  x ", number + 1)), "{text}");
        assert!(text.contains("\n    child "), "{text}");
    }
}

#[tokio::test]
async fn console_above_500_spans_per_trace_drops_all_but_root() {
    let (exporter, printed) = exporter();
    exporter.export((2..=504).map(|id| span(1, id, 1, "child", 0, 1)).collect()).await.unwrap();
    exporter.export(vec![lone(1, 0)]).await.unwrap();
    let text = printed.take();
    assert_eq!(text.lines().filter(|line| line.starts_with("    child ")).count(), 500);
    assert_eq!(text.lines().filter(|line| line.starts_with("  x ")).count(), 1);
    assert!(text.ends_with("\n… and 3 more spans, dropped: above 500 waited\n\n"), "{text}");
}
