//! A picture of the counts, for the README.

use std::fmt::Write as _;

use crate::counts::Results;

/// The rows of the picture, from the cheapest to what people use instead.
const ROWS: [(&str, &str); 8] = [
    ("none", "no observer"),
    ("metrics", "every metric"),
    ("traces_1", "metrics, 1 % of traces"),
    ("traces_100", "metrics, all traces"),
    ("traces_100_phases", "… with phase spans"),
    ("pipeline_100_phases", "… exported over gRPC"),
    ("peer_tracelayer", "TraceLayer, exported over gRPC"),
    ("peer_tower_otel", "tower-otel, exported over gRPC"),
];

const ROW: usize = 24;
const LABELS: usize = 230;
/// The width of one: what hyper-util alone takes.
const ONE: f64 = 80.0;

/// Bars of the instructions per request, as SVG.
pub(crate) fn svg(results: &Results) -> String {
    let rows: Vec<(&str, f64)> =
        ROWS.iter().filter_map(|&(name, label)| Some((label, *results.instructions.get(name)?))).collect();
    let rows = [("hyper-util alone", 1.0)].into_iter().chain(rows);
    let mut bars = String::new();
    let mut height = ROW;
    for (label, ratio) in rows {
        let (base, width) = (height + 16, ratio * ONE);
        let ours = if label.starts_with("hyper") || label.starts_with("T") || label.starts_with("tower") {
            "#9aa5b1"
        } else {
            "#2f6f9f"
        };
        let _ = writeln!(
            bars,
            "<text x=\"{x}\" y=\"{base}\" text-anchor=\"end\">{label}</text>\
             <rect x=\"{LABELS}\" y=\"{y}\" width=\"{width:.0}\" height=\"16\" fill=\"{ours}\"/>\
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
