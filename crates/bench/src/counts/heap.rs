//! What DHAT writes: bytes of the heap.

use std::path::Path;
use std::process::Command;

use crate::Fallible;

/// Bytes of a whole process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heap {
    /// Of every allocation.
    pub(crate) total: u64,
    /// Of those that were alive at the end.
    pub(crate) live: u64,
}

/// Runs this program under DHAT; `run` adds its arguments.
pub(crate) fn heap<T>(
    program: &Path,
    scratch: &Path,
    run: impl FnOnce(&mut Command) -> Fallible<T>,
) -> Fallible<Heap> {
    let log = scratch.join("heap");
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=dhat", "--dhat-out-file=/dev/null"]);
    valgrind.arg(format!("--log-file={}", log.display())).arg(program);
    run(&mut valgrind)?;
    parse(&std::fs::read_to_string(log)?).ok_or_else(|| "no sums of DHAT".into())
}

fn parse(log: &str) -> Option<Heap> {
    let bytes = |line: &str| {
        let rest = log.split_once(line)?.1.trim_start();
        rest.split(' ').next()?.replace(',', "").parse().ok()
    };
    Some(Heap { total: bytes(" Total:")?, live: bytes(" At t-end:")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heap_bytes_are_read() {
        let log = "==7== DHAT\n==7== Total:     1,234,567 bytes in 12 blocks\n\
            ==7== At t-gmax: 9,000 bytes in 5 blocks\n==7== At t-end:  8,192 bytes in 4 blocks\n";
        assert_eq!(parse(log), Some(Heap { total: 1_234_567, live: 8_192 }));
        assert_eq!(parse("==7== nothing"), None);
    }
}
