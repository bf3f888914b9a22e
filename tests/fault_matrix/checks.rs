//! Tests of the matrix itself: it detects deviations.

use std::collections::BTreeSet;

use outbound_tests::cells::Program;
use outbound_tests::faults::{Expected, Seen, expected, table};
use tower_outbound::SendState;

use crate::attempt::Outcome;
use crate::contradiction::Client;
use crate::matrix::{block_on, cells, deviation};
use crate::{connect, system};

pub(crate) fn add(program: &mut Program) {
    program.check("checks::every_documented_fault_has_a_cell", every_documented_fault_has_a_cell);
    program.check("checks::every_cell_expects_one_phase", every_cell_expects_one_phase);
    program.check("checks::cell_names_are_unique", cell_names_are_unique);
    program.check("checks::injected_system_error_matches_document", injected_system_errors);
    program.check("checks::planted_wrong_expectation_is_detected", planted_wrong_expectations);
    program.check("checks::send_state_contradicting_peer_log_is_detected", contradicting_peer_logs);
    program.check("checks::cell_is_wrong_if_peer_log_contradicts", peer_log_that_contradicts);
}

fn every_documented_fault_has_a_cell() {
    let cells: BTreeSet<_> = cells().into_iter().map(|cell| cell.slug).collect();
    let applies = |versions: &[Option<Expected>; 2]| versions.iter().any(Option::is_some);
    let documented = table().into_iter().filter(|(_, versions)| applies(versions)).map(|(slug, _)| slug);
    assert_eq!(documented.filter(|slug| !cells.contains(slug)).collect::<Vec<_>>(), Vec::<String>::new());
}

/// Also where the document allows several because they race.
fn every_cell_expects_one_phase() {
    for cell in cells() {
        assert!(cell.expected().phases.len() <= 1, "{}: {:?}", cell.path(), cell.expected());
    }
}

fn cell_names_are_unique() {
    let all = cells();
    let names: BTreeSet<_> = all.iter().map(crate::matrix::Cell::path).collect();
    assert_eq!(names.len(), all.len());
}

fn injected_system_errors() {
    for slug in system::FAULTS {
        let outcome = block_on(system::injected(slug, false, false));
        assert_eq!(deviation(slug, &expected(slug, false), &outcome), None);
    }
}

fn planted_wrong_expectations() {
    let right = expected("fin-mid-body", false);
    let outcome = Outcome {
        outcome: "response_ended in body".to_owned(),
        class: "connection_reset".to_owned(),
        send: "sent".to_owned(),
        ..Outcome::default()
    };
    assert_eq!(deviation("fin-mid-body", &right, &outcome), None);
    for planted in [
        Expected { kinds: vec!["connection_reset".to_owned()], ..right.clone() },
        Expected { phases: vec!["wait".to_owned()], ..right.clone() },
        Expected { classes: vec!["timeout".to_owned()], ..right.clone() },
        Expected { sends: vec!["not_sent".to_owned(), "partial".to_owned()], ..right.clone() },
    ] {
        assert!(deviation("fin-mid-body", &planted, &outcome).is_some(), "{planted:?}");
    }
    // Allowed by the row, but the document gives no reason.
    let unknown = Outcome { send: "unknown".to_owned(), ..outcome };
    let expected = Expected { sends: vec!["unknown".to_owned()], ..right };
    assert!(deviation("bad-chunk", &expected, &unknown).is_some());
}

fn contradicting_peer_logs() {
    use SendState::{NotProcessed, NotSent, Partial, Sent, Unknown};
    let nothing = Seen::default();
    let blind = Seen { blind: true, ..nothing };
    let some = Seen { read: 70, ..nothing };
    let whole = Seen { read: 100, whole: true, to_the_end: true, ..nothing };
    let ended = |seen: Seen| Seen { to_the_end: true, ..seen };
    let http1 = |written| Client { http2: false, written: Some(written) };
    let http2 = |written| Client { http2: true, written };
    let all = [NotSent, Partial(80), Sent, NotProcessed, Unknown];
    let cases: [(Seen, Client, &[SendState]); 13] = [
        (nothing, Client { written: None, ..http1(0) }, &[NotSent]),
        (nothing, http1(0), &[NotSent]),
        (nothing, http1(100), &[Sent]),
        (ended(nothing), http1(80), &[Partial(80)]),
        (some, http1(80), &[Partial(80), Sent]),
        (ended(some), http1(80), &[Partial(80)]),
        // More read than written.
        (some, http1(60), &[]),
        (ended(some), http1(90), &[]),
        (whole, http1(100), &[Sent]),
        (nothing, http2(None), &[NotSent, NotProcessed]),
        (blind, http2(Some(60)), &[NotSent, NotProcessed, Unknown]),
        (whole, http2(Some(100)), &[NotProcessed, Unknown]),
        (Seen { answered: true, ..whole }, http2(None), &[Unknown]),
    ];
    for (seen, client, fits) in cases {
        for state in all {
            let contradiction = client.contradiction(state, seen);
            assert_eq!(contradiction.is_none(), fits.contains(&state), "{state:?}, {client:?}, {seen:?}");
        }
    }
}

/// The peer has read a request, but the failure is one of a connect.
fn peer_log_that_contradicts() {
    let outcome = block_on(connect::refused_but(Seen { read: 70, ..Seen::default() }));
    assert!(deviation("connect-refused", &expected("connect-refused", false), &outcome).is_some());
}
