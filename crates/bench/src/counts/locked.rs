//! The locked instructions of this program.

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::Fallible;

/// The addresses of locked instructions, as in the program's file. An `xchg` with memory is always locked.
pub(super) fn addresses(program: &Path) -> Fallible<HashSet<u64>> {
    let mut objdump = Command::new("objdump")
        .args(["--disassemble", "--no-show-raw-insn", "--section=.text"])
        .arg(program)
        .stdout(Stdio::piped())
        .spawn()?;
    let lines = BufReader::new(objdump.stdout.take().expect("a pipe")).lines();
    let found =
        lines.filter_map(|line| line.map(|line| locked(&line)).transpose()).collect::<Result<_, _>>()?;
    objdump.wait()?;
    Ok(found)
}

fn locked(line: &str) -> Option<u64> {
    let (address, instruction) = line.trim_start().split_once(":\t")?;
    let locks =
        instruction.starts_with("lock ") || instruction.starts_with("xchg") && instruction.contains('(');
    locks.then(|| u64::from_str_radix(address, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locked_instructions_are_told_from_others() {
        assert_eq!(locked("  8a1f0:\tlock cmpxchg %ecx,(%rdi)"), Some(0x8a1f0));
        assert_eq!(locked("  8a1f4:\txchg   %eax,0x10(%rbx)"), Some(0x8a1f4));
        assert_eq!(locked("  8a1f8:\txchg   %ax,%ax"), None);
        assert_eq!(locked("  8a1fa:\tmov    (%rdi),%ecx"), None);
        assert_eq!(locked("0000000000008a1f0 <lock >:"), None);
    }
}
