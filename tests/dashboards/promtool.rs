//! The shipped files as Prometheus's own tool judges them.

use std::fs;
use std::process::Command;

use outbound_tests::peers::PROMTOOL;
use outbound_tests::peers::checks::Check;
use tempfile::TempDir;

use crate::files::{PROMETHEUS, RULE_TESTS, RULES, RULES_FILE};

pub(crate) fn checks() -> Vec<Check> {
    vec![Check::new("promtool_accepts_rules_configuration_and_tests", PROMTOOL, promtool)]
}

async fn promtool() {
    let directory = TempDir::with_prefix("outbound-promtool-").unwrap();
    let files = [(RULES_FILE, RULES), ("prometheus.yaml", PROMETHEUS), ("outbound.test.yaml", RULE_TESTS)];
    for (name, text) in files {
        fs::write(directory.path().join(name), text).unwrap();
    }
    for arguments in [
        ["check", "rules", "--lint=all", "--lint-fatal", RULES_FILE].as_slice(),
        &["check", "config", "--lint=all", "--lint-fatal", "prometheus.yaml"],
        &["test", "rules", "outbound.test.yaml"],
    ] {
        let mut command = Command::new(PROMTOOL.find().unwrap());
        let output = command.current_dir(directory.path()).args(arguments).output().unwrap();
        let text =
            [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        assert!(output.status.success(), "promtool {}: {text}", arguments.join(" "));
    }
}
