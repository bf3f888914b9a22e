//! Every fault × HTTP version × TCP and TLS × fresh and reused connection: the reported failure is the documented one.
//!
//! Each cell is a test `fault_matrix::<version>::<fault>::<connection>`:
//!
//! ```text
//! cargo test -p outbound-tests fault_matrix::http1::fin_mid_body
//! cargo test -p outbound-tests fault_matrix -- --nocapture        # prints every cell
//! ```

mod attempt;
mod checks;
mod connect;
mod contradiction;
mod dial;
mod matrix;
mod open_connection;
mod queue;
mod stack;
mod system;
mod waits;

use std::process::ExitCode;

use outbound_tests::cells::Program;

fn main() -> ExitCode {
    if system::is_apart() {
        return ExitCode::SUCCESS;
    }
    let mut program = Program::new("fault_matrix");
    let matrix = matrix::Matrix::default();
    for cell in matrix::cells() {
        let (matrix, prints) = (matrix.clone(), program.prints());
        program.test(&cell.path(), move || matrix.run(&cell, prints));
    }
    checks::add(&mut program);
    let prints = program.prints();
    let sockets = matrix::sockets();
    program.run(|| {
        let left = matrix::sockets();
        let wrong = (left != sockets).then(|| format!("{sockets} TCP sockets before, {left} after"));
        matrix.print_summary(prints);
        Vec::from_iter(wrong)
    })
}
