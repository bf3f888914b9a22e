//! The files of `examples/dashboards`.

use serde_json::Value;

pub(crate) const DASHBOARD: &str = include_str!("../../examples/dashboards/outbound.json");
pub(crate) const RULES: &str = include_str!("../../examples/dashboards/outbound.rules.yaml");
pub(crate) const RULES_FILE: &str = "outbound.rules.yaml";
pub(crate) const RULE_TESTS: &str = include_str!("../../examples/dashboards/outbound.test.yaml");
pub(crate) const RUNBOOKS: &str = include_str!("../../examples/dashboards/runbooks.md");
pub(crate) const PROMETHEUS: &str = include_str!("../../examples/dashboards/prometheus.yaml");
pub(crate) const COLLECTOR: &str = include_str!("../../examples/dashboards/collector.yaml");
pub(crate) const JAEGER: &str = include_str!("../../examples/dashboards/jaeger.yaml");
pub(crate) const ON_CALL: &str = include_str!("../../crates/tower-outbound/src/docs/on_call.md");

/// A panel of the dashboard.
pub(crate) struct Panel {
    pub(crate) title: String,
    pub(crate) kind: String,
    pub(crate) queries: Vec<String>,
}

/// The panels in their order.
pub(crate) fn panels() -> Vec<Panel> {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned();
    let panel = |panel: &Value| {
        let targets = panel["targets"].as_array().cloned().unwrap_or_default();
        let queries = targets.iter().map(|target| text(&target["expr"])).collect();
        Panel { title: text(&panel["title"]), kind: text(&panel["type"]), queries }
    };
    dashboard["panels"].as_array().unwrap().iter().map(panel).collect()
}

/// The names of the alerts.
pub(crate) fn alerts() -> Vec<&'static str> {
    RULES.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect()
}

/// Replaces text that the file must have.
pub(crate) fn replaced(text: &str, pairs: &[(&str, &str)]) -> String {
    pairs.iter().fold(text.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "no {from} in {text}");
        text.replace(from, to)
    })
}
