//! The dependencies of `src` run in one direction: no module names an item of a floor above its own, and the layers do
//! not know each other.
//!
//! [`floors`] has the table of floors. Every path is resolved to the folder where the item is defined: a re-export in
//! between does not hide an arrow. Paths inside macros, in `macro_rules!` and in `#[cfg(test)]` code count; links in
//! documentation do not. Method calls have no path, and are not seen; [`handles`] has a table for those that write to a
//! record.

mod arrows;
mod floors;
mod graph;
mod handles;
mod modules;
mod planted;

use std::fs;
use std::path::Path;

use self::floors::Floors;

/// A source file: its path below `src`, and its text.
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// What the arrows of the sources amount to.
pub(crate) struct Report {
    pub(crate) files: usize,
    /// Pairs of folders.
    pub(crate) arrows: usize,
    /// Pairs of folders whose arrow runs up or sideways.
    pub(crate) back_arrows: usize,
    /// Sizes of the circles: strongly connected components of more than one folder.
    pub(crate) circles: Vec<usize>,
    /// One line for each place that breaks a rule.
    pub(crate) violations: Vec<String>,
}

pub(crate) fn check(sources: &[Source], floors: &Floors) -> Report {
    let arrows = arrows::of(sources);
    floors.judge(sources.len(), &arrows)
}

fn read(folder: &Path, root: &Path, sources: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            read(&path, root, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a source file");
            let path = path.strip_prefix(root).expect("below the root");
            let path = path.to_str().expect("a name in UTF-8").replace('\\', "/");
            sources.push(Source { path, text });
        }
    }
}

#[test]
fn direction_no_back_arrow_and_no_circle_in_src() {
    // Another tree and its table, for a comparison.
    let root = std::env::var("DIRECTION_SRC");
    let root = root.unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/src").to_owned());
    let floors = match std::env::var("DIRECTION_FLOORS") {
        Ok(table) => Floors::parse(&table),
        Err(_) => Floors::of_this_crate(),
    };
    let mut sources = Vec::new();
    read(Path::new(&root), Path::new(&root), &mut sources);
    sources.sort_by(|a, b| a.path.cmp(&b.path));

    let mut report = check(&sources, &floors);
    report.violations.extend(handles::violations(&sources));
    let largest =
        report.circles.iter().max().map_or(String::new(), |size| format!(" (largest: {size} folders)"));
    println!(
        "direction: {} files, {} arrows, {} back arrows, {} circles{largest}",
        report.files,
        report.arrows,
        report.back_arrows,
        report.circles.len(),
    );
    assert!(report.violations.is_empty(), "\n{}", report.violations.join("\n"));
    assert!(report.circles.is_empty());
}
