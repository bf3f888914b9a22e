//! `PROMISES.md` names only existing tests, and at least one test of every scenario module.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use syn::{Attribute, Expr, Item, ItemMod, Meta};

/// Test programs of this package: name and root file.
const PROGRAMS: [(&str, &str); 4] = [
    ("scenarios", "scenarios/main.rs"),
    ("failures", "failures/main.rs"),
    ("allocations", "allocations/main.rs"),
    ("telemetry_faults", "telemetry_faults/main.rs"),
];
/// Crates whose integration tests `PROMISES.md` may name.
const CRATES: [&str; 4] =
    ["tower-outbound", "tower-outbound-otel", "tower-outbound-page", "tower-outbound-telemetry"];

struct Row {
    promise: String,
    tests: Vec<String>,
}

fn rows() -> Vec<Row> {
    let document = fs::read_to_string(here().join("PROMISES.md")).unwrap();
    let cells =
        document.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | "));
    let rows = cells.filter(|(promise, _)| !matches!(*promise, "promise" | "---"));
    rows.map(|(promise, tests)| Row {
        promise: promise.trim().to_owned(),
        tests: tests.split(", ").map(|test| test.trim_matches('`').to_owned()).collect(),
    })
    .collect()
}

/// Collects the tests of a module and of its submodules.
struct Walk<'a> {
    tests: &'a mut BTreeSet<String>,
}

impl Walk<'_> {
    /// `folder` contains the files of the submodules.
    fn file(&mut self, file: &Path, folder: &Path, path: &str) {
        let source = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        self.items(syn::parse_file(&source).unwrap().items, folder, path);
    }

    fn items(&mut self, items: Vec<Item>, folder: &Path, path: &str) {
        for item in items {
            match item {
                Item::Fn(function) if function.attrs.iter().any(is_test) => {
                    self.tests.insert(format!("{path}::{}", function.sig.ident));
                }
                Item::Mod(module) => self.module(module, folder, path),
                Item::Macro(item) if item.mac.path.is_ident("proptest") => {
                    let words = item.mac.tokens.to_string();
                    let names = words.split(" fn ").skip(1).filter_map(|rest| rest.split([' ', '(']).next());
                    self.tests.extend(names.map(|name| format!("{path}::{name}")));
                }
                _ => {}
            }
        }
    }

    fn module(&mut self, module: ItemMod, folder: &Path, path: &str) {
        let name = module.ident.to_string();
        let (subfolder, path) = (folder.join(&name), format!("{path}::{name}"));
        if let Some((_, items)) = module.content {
            return self.items(items, &subfolder, &path);
        }
        let given = module.attrs.iter().find_map(path_of).map(|given| folder.join(given));
        let files = [folder.join(format!("{name}.rs")), subfolder.join("mod.rs")];
        let file = given.into_iter().chain(files).find(|file| file.is_file());
        self.file(&file.unwrap_or_else(|| panic!("no file of {path}")), &subfolder, &path);
    }
}

fn is_test(attribute: &Attribute) -> bool {
    attribute.path().segments.last().is_some_and(|last| last.ident == "test")
}

/// The file of `#[path = ".."]`.
fn path_of(attribute: &Attribute) -> Option<String> {
    let Meta::NameValue(pair) = &attribute.meta else { return None };
    let Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(file), .. }) = &pair.value else { return None };
    pair.path.is_ident("path").then(|| file.value())
}

fn here() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn plain_tests() -> BTreeSet<String> {
    let mut tests = BTreeSet::new();
    let mut walk = Walk { tests: &mut tests };
    for (name, file) in PROGRAMS {
        let file = here().join(file);
        walk.file(&file, file.parent().unwrap(), name);
    }
    for name in CRATES {
        let folder = here().join("../crates").join(name).join("tests");
        for entry in fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap().path();
            let path = format!("{}::{}", name.replace('-', "_"), entry.file_stem().unwrap().display());
            let main = entry.join("main.rs");
            if entry.extension().is_some_and(|extension| extension == "rs") {
                walk.file(&entry, &folder, &path);
            } else if main.is_file() {
                walk.file(&main, &entry, &path);
            }
        }
    }
    tests
}

/// The cells and checks of the table programs that their sources name.
fn cells() -> BTreeSet<String> {
    let mut cells = BTreeSet::new();
    for (slug, versions) in outbound_tests::faults::table() {
        for (version, row) in ["http1", "http2"].into_iter().zip(versions) {
            if row.is_some() {
                cells.insert(format!("fault_matrix::{version}::{}", outbound_tests::cells::slug(&slug)));
            }
        }
    }
    let read = |file: &str| fs::read_to_string(here().join(file)).unwrap();
    let scenarios = read("client_table/scenarios/mod.rs");
    let (_, listed) = scenarios.split_once("\nscenarios! {").expect("the list of scenarios");
    let words = listed.split(|letter: char| !(letter.is_alphanumeric() || letter == '_'));
    cells.extend(words.filter(|word| word.len() > 9).map(|name| format!("client_table::{name}")));
    for (program, file) in [
        ("client_table", "checks"),
        ("fault_matrix", "checks"),
        ("storm", "main"),
        ("dashboards", "structure"),
    ] {
        let checks = read(&format!("{program}/{file}.rs"));
        let names = checks.split("program.check(\"").skip(1).filter_map(|rest| rest.split('"').next());
        cells.extend(names.map(|name| format!("{program}::{name}")));
    }
    let source = read("collector/matrix.rs");
    let names = source.split("cell(\"").skip(1).filter_map(|rest| rest.split('"').next());
    cells.extend(names.map(|name| format!("collector::arrives::{name}")));
    let mut files = ["peers", "collector", "dashboards"].map(|folder| here().join(folder)).to_vec();
    while let Some(file) = files.pop() {
        if file.is_dir() && !file.ends_with("bin") {
            files.extend(fs::read_dir(&file).unwrap().map(|entry| entry.unwrap().path()));
        } else if file.extension().is_some_and(|extension| extension == "rs") {
            let source = fs::read_to_string(&file).unwrap();
            let checks = source.split("Check::new(").skip(1).filter_map(|rest| rest.split(')').next());
            for check in checks {
                let mut words = check.split(',').map(|word| word.trim().trim_matches('"'));
                if let (Some(name), Some(peer)) = (words.next(), words.next()) {
                    let path = match peer {
                        "PEER" => "peers::nginx".to_owned(),
                        "COLLECTOR" => "collector".to_owned(),
                        "PROMETHEUS" | "PROMTOOL" => "dashboards::prometheus".to_owned(),
                        "JAEGER" => "dashboards::jaeger".to_owned(),
                        peer => format!("peers::{}", peer.to_lowercase()),
                    };
                    cells.insert(format!("{path}::{name}"));
                }
            }
        }
    }
    cells
}

#[test]
fn promises_name_existing_tests() {
    let (tests, cells) = (plain_tests(), cells());
    let exists = |name: &str| {
        let prefix = format!("{name}::");
        tests.contains(name) || cells.contains(name) || cells.iter().any(|cell| cell.starts_with(&prefix))
    };
    let rows = rows();
    assert!(rows.len() > 80, "{} rows", rows.len());
    let mut promises = BTreeSet::new();
    for Row { promise, tests } in &rows {
        assert!(promise.ends_with('.') && promise.len() > 20, "not a sentence: {promise:?}");
        assert!(promises.insert(promise), "the promise is there twice: {promise}");
        for test in tests {
            assert!(exists(test), "no such test: {test}, of: {promise}");
        }
    }
}

#[test]
fn promises_name_every_module_of_scenarios() {
    let module = |test: &str| test.rsplit_once("::").map(|(module, _)| module.to_owned());
    let named: BTreeSet<_> =
        rows().iter().flat_map(|row| &row.tests).filter_map(|test| module(test)).collect();
    let modules: BTreeSet<_> = plain_tests().iter().filter_map(|test| module(test)).collect();
    let of_scenarios = modules.iter().filter(|module| module.starts_with("scenarios::"));
    let unnamed: Vec<_> =
        of_scenarios.filter(|module| !named.contains(*module) && *module != "scenarios::promises").collect();
    assert_eq!(unnamed, Vec::<&String>::new(), "modules without a promise");
}
