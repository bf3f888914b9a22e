//! Sources of the locked versions of other crates, and the lists in those sources.

use std::process::Command;
use std::sync::LazyLock;

/// A source file of the locked version of a crate.
pub(crate) fn source(krate: &str, path: &str) -> String {
    static METADATA: LazyLock<serde_json::Value> = LazyLock::new(metadata);
    let packages = METADATA["packages"].as_array().unwrap();
    let found: Vec<_> = packages.iter().filter(|package| package["name"] == krate).collect();
    assert_eq!(found.len(), 1, "one version of {krate}");
    let manifest = std::path::Path::new(found[0]["manifest_path"].as_str().unwrap());
    let path = manifest.with_file_name(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The metadata of this platform's packages; others may not be downloaded.
fn metadata() -> serde_json::Value {
    let version = output(Command::new("rustc").arg("-vV"));
    let version = String::from_utf8(version).unwrap();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let metadata = output(
        Command::new(env!("CARGO"))
            .args(["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", host])
            .current_dir(env!("CARGO_MANIFEST_DIR")),
    );
    serde_json::from_slice(&metadata).unwrap()
}

fn output(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// The variants of `enum name`, in order.
pub(crate) fn variants(source: &str, name: &str) -> Vec<String> {
    let start = format!("enum {name} {{");
    let (_, body) = source.split_once(&start).unwrap_or_else(|| panic!("no enum {name}"));
    let lines = body.lines().map(str::trim).filter(|line| !line.starts_with("//"));
    let (mut depth, mut names, mut word) = (0_i32, Vec::new(), String::new());
    for char in lines.collect::<String>().chars() {
        match char {
            '}' if depth == 0 => break,
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => names.push(std::mem::take(&mut word)),
            char if depth == 0 && char.is_ascii_alphanumeric() => word.push(char),
            _ => {}
        }
    }
    names.push(word);
    names.retain(|name| !name.is_empty());
    names
}

/// The names of all `pub const NAME: kind`.
pub(crate) fn constants(source: &str, kind: &str) -> Vec<String> {
    let lines = source.lines().filter_map(|line| line.trim().strip_prefix("pub const "));
    lines
        .filter_map(|line| line.split_once(&format!(": {kind} = ")))
        .map(|(name, _)| name.to_owned())
        .collect()
}

#[test]
fn locked_source_lists_skip_comments_attributes_and_fields() {
    let source = "
        enum Other { No }
        pub enum Kind {
            /// A comment, with a comma and a }
            First(Parse, [u8; 3]),
            #[cfg(any(feature = \"a\", feature = \"b\"))]
            #[allow(dead_code)]
            Second,
            Third { field: u8 }
        }
        impl Kind {
            pub const ONE: Reason = Reason(1);
            const TWO: Other = 2;
        }
    ";
    assert_eq!(variants(source, "Kind"), ["First", "Second", "Third"]);
    assert_eq!(constants(source, "Reason"), ["ONE"]);
}
