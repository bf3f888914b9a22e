//! The names at the root of the crate.

use std::collections::BTreeSet;

use syn::{Item, UseTree, Visibility};

/// The root stays a list that one reads at a glance: everything else belongs into a module.
const MAX_NAMES: usize = 24;

const NAMES: &[&str] = &[
    "Attempt",
    "BoxError",
    "Call",
    "Class",
    "Connection",
    "Deadline",
    "Error",
    "Event",
    "Failure",
    "Kind",
    "Observer",
    "Origin",
    "Outbound",
    "OutboundClient",
    "Outcome",
    "Phase",
    "RequestExt",
    "ResponseExt",
    "Reuse",
    "SendState",
    "Stack",
    "StackBody",
    "Timings",
    "UrlTemplate",
];

const MODULES: &[&str] = &[
    "attempt",
    "client",
    "connect",
    "deadline",
    "docs",
    "event",
    "failure",
    "fixed_body",
    "hyper",
    "limit",
    "observe",
    "operation",
    "outbound",
    "pool",
    "reload",
    "reqwest",
    "retry",
    "settings",
    "timeouts",
    "tonic",
];

fn names(tree: &UseTree, found: &mut BTreeSet<String>) {
    match tree {
        UseTree::Path(path) => names(&path.tree, found),
        UseTree::Group(group) => group.items.iter().for_each(|tree| names(tree, found)),
        UseTree::Name(name) => drop(found.insert(name.ident.to_string())),
        UseTree::Rename(rename) => drop(found.insert(rename.rename.to_string())),
        UseTree::Glob(_) => panic!("a glob re-export hides names"),
    }
}

#[test]
fn public_api_root_has_exactly_these_names() {
    let lib = syn::parse_file(include_str!("../src/lib.rs")).unwrap();
    let mut found = BTreeSet::new();
    for item in lib.items {
        match item {
            Item::Use(item) if matches!(item.vis, Visibility::Public(_)) => names(&item.tree, &mut found),
            Item::Mod(item) if matches!(item.vis, Visibility::Public(_)) => {
                found.insert(item.ident.to_string());
            }
            Item::Use(_) | Item::Mod(_) => {}
            _ => panic!("the root declares and re-exports, and defines nothing"),
        }
    }
    let listed: BTreeSet<String> = NAMES.iter().chain(MODULES).map(ToString::to_string).collect();
    assert_eq!(found, listed);
    assert!(NAMES.len() <= MAX_NAMES);
}
