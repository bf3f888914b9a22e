//! What holds without a Prometheus: panels are the guide's questions, alerts have runbooks, kinds have alerts.

use std::collections::BTreeSet;

use outbound_tests::cells::Program;
use tower_outbound::Kind;

use crate::files::{ON_CALL, RULES, RUNBOOKS, alerts, panels};

pub(crate) fn add(program: &mut Program) {
    program.check("panels_are_questions_of_guide", panels_are_questions);
    program.check("alerts_have_runbook_with_query_and_action", alerts_have_runbooks);
    program.check("kinds_of_failure_have_an_alert", kinds_have_alerts);
}

/// One to one, in order.
fn panels_are_questions() {
    let table = ON_CALL.split_once("| question | answer |").unwrap().1;
    let rows = table.lines().skip(2).map_while(|line| line.strip_prefix("| "));
    let questions: Vec<_> = rows.map(|row| without_links(row.split(" | ").next().unwrap())).collect();
    let titles: Vec<_> = panels().into_iter().map(|panel| panel.title).collect();
    assert_eq!(titles, questions);
    let without: Vec<_> = panels().into_iter().filter(|panel| panel.queries.is_empty()).collect();
    let texts: Vec<_> = without.iter().map(|panel| (panel.kind.as_str(), panel.title.as_str())).collect();
    // No metric has the answer.
    let expected = ["What happened to this one request?", "What happens right now, without a dashboard?"];
    assert_eq!(texts, expected.map(|title| ("text", title)));
}

fn without_links(text: &str) -> String {
    match text.split_once('[') {
        Some((before, rest)) => {
            let (inside, rest) = rest.split_once("](").unwrap();
            let after = rest.split_once(')').unwrap().1;
            format!("{before}{inside}{}", without_links(after))
        }
        None => text.to_owned(),
    }
}

fn alerts_have_runbooks() {
    let sections: Vec<_> = RUNBOOKS.split("\n# ").skip(1).collect();
    let names: Vec<_> = sections.iter().map(|section| section.lines().next().unwrap()).collect();
    assert_eq!(names, alerts());
    for (name, section) in names.iter().zip(&sections) {
        for part in ["**Means:** ", "**First query:**\n\n```promql\n", "**First action:** "] {
            assert!(section.contains(part), "{name}: no {part:?}");
        }
        let link = format!("runbook_url: runbooks.md#{}\n", name.to_lowercase());
        assert!(RULES.contains(&link), "no {link}");
    }
}

/// The caller's own mistakes, and what has no name, page no one.
fn kinds_have_alerts() {
    let patterns = RULES.lines().filter_map(|line| line.split_once("error_type=")?.1.split('"').nth(1));
    let alerted: BTreeSet<_> = patterns.flat_map(|pattern| pattern.split('|')).collect();
    let kinds = Kind::ALL.iter().map(|kind| kind.as_str());
    let without: Vec<_> = kinds.filter(|kind| !alerted.contains(kind)).collect();
    assert_eq!(without, ["invalid_request", "request_body_error", "_OTHER"]);
}
