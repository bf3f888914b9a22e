//! What `strace -c` writes.

/// The system calls of a table of strace.
pub(super) fn calls(table: &str) -> u64 {
    let row = |line: &str| {
        let mut columns = line.split_whitespace();
        let calls = columns.nth(3)?.parse::<u64>().ok()?;
        (columns.last()? != "total").then_some(calls)
    };
    table.lines().filter_map(row).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strace_calls_are_summed_without_the_total() {
        let table = "\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60.00    0.001000           1       768           writev
 40.00    0.000900           1       771         2 recvfrom
------ ----------- ----------- --------- --------- ----------------
100.00    0.001900           1      1539         2 total
";
        assert_eq!(calls(table), 1539);
    }
}
