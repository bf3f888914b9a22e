//! Test programs whose tests are the cells of a table, run by `libtest-mimic`.
//!
//! Each cell is a test `program::…`, so that a substring of its name selects it. The program fails if a filter names
//! the program but selects no test.

use std::process::ExitCode;

use libtest_mimic::{Arguments, Conclusion, Trial};
pub use libtest_mimic::{Completion, Failed};

/// A test program.
pub struct Program {
    name: &'static str,
    arguments: Arguments,
    trials: Vec<Trial>,
}

impl Program {
    /// A program with this process's arguments. `name` is the first part of its tests' names.
    #[must_use]
    pub fn new(name: &'static str) -> Program {
        Program { name, arguments: Arguments::from_args(), trials: Vec::new() }
    }

    /// The first part of its tests' names.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Runs one test at a time. `--test-threads` overrides it.
    #[must_use]
    pub fn one_at_a_time(mut self) -> Program {
        self.arguments.test_threads.get_or_insert(1);
        self
    }

    /// Whether tests print their output (`--nocapture`).
    #[must_use]
    pub fn prints(&self) -> bool {
        self.arguments.nocapture
    }

    /// Adds the test `program::path`. It fails by an error or a panic.
    pub fn test(&mut self, path: &str, run: impl FnOnce() -> Result<Completion, Failed> + Send + 'static) {
        self.trials.push(Trial::ignorable_test(format!("{}::{path}", self.name), run));
    }

    /// Adds a test of the program itself, which fails by a panic.
    pub fn check(&mut self, path: &str, run: impl FnOnce() + Send + 'static) {
        self.test(path, || {
            run();
            Ok(Completion::Completed)
        });
    }

    /// Runs the selected tests, then `end`, which prints a summary and returns further errors.
    pub fn run(self, end: impl FnOnce() -> Vec<String>) -> ExitCode {
        let Program { name, arguments, trials } = self;
        let conclusion = libtest_mimic::run(&arguments, trials);
        if arguments.list {
            return ExitCode::SUCCESS;
        }
        let named = arguments.filter.as_deref().is_some_and(|filter| names(filter, name));
        let ran = ran(&conclusion);
        if ran == 0 && !named {
            return conclusion.exit_code();
        }
        let mut wrong = end();
        if ran == 0 && !arguments.ignored {
            wrong.push(format!("no test of {name} matches the filter"));
        }
        for wrong in &wrong {
            eprintln!("error: {wrong}");
        }
        if wrong.is_empty() { conclusion.exit_code() } else { ExitCode::from(101) }
    }
}

/// Whether a filter is meant for this program.
fn names(filter: &str, program: &str) -> bool {
    filter.strip_prefix(program).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn ran(conclusion: &Conclusion) -> u64 {
    conclusion.num_passed + conclusion.num_failed + conclusion.num_ignored
}

/// A part of a test's name: lower-case words joined by `_`, HTTP versions as `http1` and `http2`.
#[must_use]
pub fn slug(words: &str) -> String {
    let words = words.replace("OutboundClient", "outbound client").replace("HTTP/", "http").to_lowercase();
    let words = words.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filter_names_its_own_program_only() {
        assert!(names("peers", "peers") && names("peers::nginx", "peers"));
        assert!(!names("peers_x", "peers") && !names("nginx", "peers") && !names("client_table::x", "peers"));
    }

    #[test]
    fn slug_is_words_joined_by_underscores() {
        assert_eq!(slug("`OutboundClient`, HTTP/2 in TLS"), "outbound_client_http2_in_tls");
        assert_eq!(slug("fin-mid-body"), "fin_mid_body");
    }
}
