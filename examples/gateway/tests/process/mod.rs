//! The gateway as a process.

use std::process::{Command, Output};

/// Runs without the `OTEL_*` variables of the surrounding shell.
pub(crate) fn gateway(args: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gateway"));
    for (key, _) in std::env::vars_os() {
        if key.to_string_lossy().starts_with("OTEL_") {
            command.env_remove(key);
        }
    }
    command.args(args).envs(variables.iter().copied()).env_remove("RUST_LOG").output().unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
