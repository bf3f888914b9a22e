//! The floors of the crate, and what runs against them.

use std::collections::BTreeMap;

use crate::Report;
use crate::arrows::Arrow;
use crate::graph::circles;

/// Bottom to top, one floor a line. A module may use the floors below its own. `|` separates folders of one floor, which
/// do not know each other. The longest prefix of a file's path is its folder. `limit/tests/cost.rs` measures a whole stack;
/// nothing depends on it.
const FLOORS: &str = "
    util
    failure | timer
    settings
    record
    error
    classify
    timeouts
    foreign
    deadline | observe | operation | limit | retry | fixed_body | reload | pool | connect/tcp | connect/track | connect/phase
    connect
    outbound
    client
    hyper | tonic | reqwest
    ext.rs
    lib.rs | docs | limit/tests/cost.rs
";

/// The files and folders that may use `foreign`.
const USERS_OF_FOREIGN: &[&str] = &[
    "connect/track/",
    "hyper/",
    "observe/request_body.rs",
    "observe/service.rs",
    "outbound/hyper_client.rs",
    "pool/executor.rs",
    "pool/task.rs",
    "reqwest/",
    "tonic/",
];

/// Which folder is on which floor.
pub(crate) struct Floors {
    folders: Vec<(String, usize)>,
    users_of_foreign: Vec<String>,
}

impl Floors {
    pub(crate) fn of_this_crate() -> Self {
        let users_of_foreign = USERS_OF_FOREIGN.iter().map(|user| (*user).to_owned()).collect();
        Self { users_of_foreign, ..Self::parse(FLOORS) }
    }

    /// Lines or `;` separate the floors, `|` the folders of a floor.
    pub(crate) fn parse(table: &str) -> Self {
        let floors = table.split(['\n', ';']).map(str::trim).filter(|floor| !floor.is_empty());
        let folders = floors.enumerate().flat_map(|(floor, folders)| {
            folders.split('|').map(move |folder| (folder.trim().to_owned(), floor))
        });
        Self { folders: folders.collect(), users_of_foreign: vec![String::new()] }
    }

    fn of(&self, file: &str) -> Option<(&str, usize)> {
        let inside = |folder: &str| {
            file.strip_prefix(folder)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || rest == ".rs")
        };
        let found = self.folders.iter().filter(|(folder, _)| inside(folder));
        found.max_by_key(|(folder, _)| folder.len()).map(|(folder, floor)| (folder.as_str(), *floor))
    }

    pub(crate) fn judge(&self, files: usize, arrows: &[Arrow]) -> Report {
        let mut pairs = BTreeMap::new();
        let mut violations = Vec::new();
        for arrow in arrows {
            let place = format!("{}:{}: {}", arrow.file, arrow.line, arrow.path);
            let (Some((from, from_floor)), Some((to, to_floor))) =
                (self.of(&arrow.file), self.of(&arrow.target))
            else {
                violations.push(format!("{place}: {} is on no floor", arrow.target));
                continue;
            };
            if from == to {
                continue;
            }
            let back = to_floor >= from_floor;
            pairs.insert((from, to), back);
            if back {
                let how = if to_floor > from_floor { "up" } else { "sideways" };
                violations.push(format!("{place}: {from} -> {to} runs {how} (defined in {})", arrow.target));
            } else if to == "foreign"
                && !self.users_of_foreign.iter().any(|user| arrow.file.starts_with(user))
            {
                violations.push(format!("{place}: this file is no user of `foreign`"));
            }
        }
        let back_arrows = pairs.values().filter(|back| **back).count();
        let edges: Vec<_> = pairs.keys().copied().collect();
        Report { files, arrows: pairs.len(), back_arrows, circles: circles(&edges), violations }
    }
}
