//! Measures the pool under many callers: see [`outbound_tests::crowd`].

use std::process::ExitCode;

fn main() -> ExitCode {
    match outbound_tests::crowd::run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
