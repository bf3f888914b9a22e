//! A picture of the counts, for the README.

use std::fmt::Write as _;

use crate::counts::Results;

/// A row: its setting, its label, and whether it is ours.
type Row = (&'static str, &'static str, bool);

/// What reports to an exporter that sends nothing, then what is exported.
const ROWS: [Row; 11] = [
    ("none", "no observer", true),
    ("metrics", "every metric", true),
    ("traces_1", "metrics, 1 % of traces", true),
    ("traces_100_phases", "metrics, traces, phases", true),
    ("hand_traces_100", "5 metrics, 3 spans by hand", false),
    ("tracelayer_traces_100", "TraceLayer, 1 span", false),
    ("tower_otel_traces_100", "tower-otel, 1 span", false),
    ("pipeline_100_phases", "ours, exported (4 spans)", true),
    ("peer_tracelayer", "TraceLayer, exported", false),
    ("peer_reqwest_middleware", "reqwest-middleware, exported", false),
    ("peer_tower_otel", "tower-otel, exported", false),
];

const ROW: usize = 24;
const LABELS: usize = 230;
/// The width of one: what hyper-util alone takes.
const ONE: f64 = 80.0;

/// Bars of the instructions per request, as SVG.
pub(crate) fn svg(results: &Results) -> String {
    let counted = |&(name, label, ours): &Row| Some((label, *results.instructions.get(name)?, ours));
    let rows: Vec<_> = ROWS.iter().filter_map(counted).collect();
    let mut bars = String::new();
    let mut height = ROW;
    for (label, ratio, ours) in [("hyper-util alone", 1.0, false)].into_iter().chain(rows) {
        let (base, width) = (height + 16, ratio * ONE);
        let fill = if ours { "#2f6f9f" } else { "#9aa5b1" };
        let _ = writeln!(
            bars,
            "<text x=\"{x}\" y=\"{base}\" text-anchor=\"end\">{label}</text>\
             <rect x=\"{LABELS}\" y=\"{y}\" width=\"{width:.0}\" height=\"16\" fill=\"{fill}\"/>\
             <text x=\"{end:.0}\" y=\"{base}\">{ratio:.2}</text>",
            x = LABELS - 8,
            y = height + 3,
            end = LABELS as f64 + width + 6.0,
        );
        height += ROW;
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"700\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"13\" fill=\"#57606a\">\n\
         <text x=\"{LABELS}\" y=\"16\">instructions per request, hyper-util alone = 1</text>\n{bars}</svg>\n"
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn picture_has_a_bar_for_each_counted_row() {
        let instructions = BTreeMap::from([("none".to_owned(), 1.5), ("other".to_owned(), 9.0)]);
        let svg = svg(&Results { instructions, ..Results::default() });
        assert_eq!(svg.matches("<rect").count(), 2);
        assert!(svg.contains("width=\"120\"") && svg.contains(">1.50<"), "{svg}");
    }
}
