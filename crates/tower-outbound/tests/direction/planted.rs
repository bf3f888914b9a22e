//! The check can fail: each source here has an arrow that runs back.

use crate::floors::Floors;
use crate::{Report, Source, check};

fn planted(files: &[(&str, &str)]) -> Report {
    let floors = Floors::parse("record; classify; observe | retry; lib.rs");
    let base: [(&str, &str); 4] = [
        ("lib.rs", "mod record; mod classify; mod observe; mod retry; pub use self::record::Call;"),
        ("record/mod.rs", "mod call; pub use self::call::Call;"),
        (
            "classify/mod.rs",
            "use crate::record::Call; pub struct Walk(Call); pub(crate) use crate::record::Call as One;",
        ),
        ("observe/mod.rs", "pub struct Observe; pub(crate) use crate::classify::Walk;"),
    ];
    let source = |(path, text): &(&str, &str)| Source { path: (*path).to_owned(), text: (*text).to_owned() };
    check(&base.iter().chain(files).map(source).collect::<Vec<_>>(), &floors)
}

fn violations(call: &str) -> Vec<String> {
    planted(&[("record/call.rs", call), ("retry/mod.rs", "")]).violations
}

#[test]
fn direction_downward_paths_are_allowed() {
    let report = planted(&[
        ("record/call.rs", "pub struct Call;"),
        ("retry/mod.rs", "use crate::classify::Walk; use crate::record::Call;"),
    ]);
    assert!(report.violations.is_empty(), "{:?}", report.violations);
    assert_eq!((report.arrows, report.back_arrows, report.circles.len()), (5, 0, 0));
}

#[test]
fn direction_back_arrow_found_in_plain_path() {
    for call in [
        "pub struct Call; use crate::classify::Walk;",
        "pub struct Call(crate::classify::Walk);",
        "pub struct Call; fn walk() { let _ = super::super::classify::Walk; }",
        "pub struct Call; mod inner { use super::super::super::classify::{self, Walk as Other}; }",
        "pub struct Call; #[cfg(test)] mod tests { use crate::classify::Walk; }",
        "pub struct Call; use crate::classify; type Walk = classify::Walk;",
    ] {
        let found = violations(call);
        assert!(found.iter().any(|line| line.contains("record -> classify runs up")), "{call}: {found:?}");
        assert!(found[0].starts_with("record/call.rs:1: "), "{found:?}");
    }
}

#[test]
fn direction_reexport_counts_as_folder_of_definition() {
    let call = "pub struct Call; use crate::observe::Walk;";
    let found = violations(call);
    assert_eq!(found.len(), 1);
    assert!(found[0].contains("record -> classify") && found[0].contains("classify/mod.rs"), "{found:?}");
    // Defined in the folder itself: no arrow, whatever the way.
    assert!(violations("pub struct Call; use crate::classify::One;").is_empty());
    assert!(violations("pub struct Other; pub struct Call; use crate::Call as Outer;").is_empty());
}

#[test]
fn direction_back_arrow_found_in_macro() {
    for call in [
        "pub struct Call; pin_project! { struct Body { walk: crate::classify::Walk } }",
        "pub struct Call; macro_rules! walk { () => { $crate::classify::Walk } }",
        "pub struct Call; fn walk() { assert!(matches!(0, crate::classify::Walk)); }",
        "pub struct Call; thread_local! { static WALK: Option<super::super::classify::Walk> = None; }",
        "pub struct Call; wrap! { use crate::{record::Call, classify::{Walk}}; }",
    ] {
        let found = violations(call);
        assert!(found.iter().any(|line| line.contains("record -> classify runs up")), "{call}: {found:?}");
    }
}

#[test]
fn direction_function_counts_as_folder_of_impl() {
    let report = planted(&[
        ("record/call.rs", "pub struct Call; fn of() { Call::classify(); }"),
        ("retry/mod.rs", "use crate::record::Call; fn of() { Call::classify(); }"),
        ("classify/call.rs", "use crate::record::Call; impl Call { pub(crate) fn classify() {} }"),
    ]);
    assert_eq!(report.violations.len(), 1, "{:?}", report.violations);
    assert!(report.violations[0].contains("record -> classify runs up"));
}

#[test]
fn direction_sideways_arrow_and_circle_found() {
    let report = planted(&[
        ("record/call.rs", "pub struct Call; use crate::classify::Walk;"),
        ("retry/mod.rs", "/// [`Observe`](crate::observe::Observe)\nuse crate::observe::Observe;"),
    ]);
    assert!(report.violations[1].contains("retry -> observe runs sideways"), "{:?}", report.violations);
    assert!(report.violations[1].starts_with("retry/mod.rs:"));
    assert_eq!((report.back_arrows, report.circles), (2, vec![2]));
}

#[test]
fn direction_file_without_floor_found() {
    let found = planted(&[
        ("record/call.rs", "pub struct Call;"),
        ("retry/mod.rs", ""),
        ("pool/mod.rs", "use crate::record::Call;"),
    ]);
    assert_eq!(found.violations.len(), 1);
}

#[test]
fn direction_link_in_documentation_is_no_arrow() {
    assert!(violations("/// [`Walk`](crate::classify::Walk)\npub struct Call;").is_empty());
}
