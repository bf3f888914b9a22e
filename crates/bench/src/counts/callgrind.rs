//! What callgrind writes: instructions by address, and calls by function.

use std::collections::{HashMap, HashSet};
use std::io::BufRead;
use std::path::Path;
use std::process::Command;

use crate::Fallible;

/// Arguments for callgrind, so that its output is as it is read here.
const ARGUMENTS: [&str; 4] = ["--tool=callgrind", "--dump-instr=yes", "--dump-line=no", "--compress-pos=no"];

/// Runs this program under callgrind, which writes to `output`; `run` adds its arguments.
pub(crate) fn instructions<T>(
    program: &Path,
    output: &Path,
    run: impl FnOnce(&mut Command) -> Fallible<T>,
) -> Fallible<T> {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(ARGUMENTS).arg(format!("--callgrind-out-file={}", output.display()));
    run(valgrind.arg(program))
}

/// A whole process, every thread of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Profile {
    pub(super) instructions: u64,
    pub(super) locked: u64,
    pub(super) clocks: u64,
    pub(super) allocations: u64,
    pub(super) reallocations: u64,
}

/// Reads the output of callgrind for one program.
pub(super) struct Reader<'a> {
    program: &'a str,
    /// Addresses in the program's file.
    locked: &'a HashSet<u64>,
    profile: Profile,
    /// A name is written once, and later only its number.
    functions: HashMap<String, String>,
    /// The number of the program among the objects.
    own: String,
    /// Whether the lines are about the program, and not about a library. Addresses are those in the object's file.
    in_own: bool,
    called: String,
    in_call: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(program: &'a str, locked: &'a HashSet<u64>) -> Self {
        Self {
            program,
            locked,
            profile: Profile::default(),
            functions: HashMap::new(),
            own: String::new(),
            in_own: false,
            called: String::new(),
            in_call: false,
        }
    }

    pub(super) fn read(mut self, output: impl BufRead) -> Fallible<Profile> {
        for line in output.lines() {
            self.line(&line?)?;
        }
        Ok(self.profile)
    }

    fn line(&mut self, line: &str) -> Fallible<()> {
        if line.starts_with("0x") {
            // The line after `calls=` has what the callee took, which the callee's own lines have too.
            return if std::mem::take(&mut self.in_call) { Ok(()) } else { self.cost(line) };
        }
        let Some((key, value)) = line.split_once('=') else { return Ok(()) };
        let (number, name) = value.split_once(' ').unwrap_or((value, ""));
        match key {
            "ob" | "cob" => {
                if name == self.program {
                    self.own = number.into();
                }
                if key == "ob" {
                    self.in_own = number == self.own;
                }
            }
            "fn" | "cfn" => {
                if !name.is_empty() {
                    self.functions.insert(number.into(), name.into());
                }
                self.called = number.into();
            }
            "calls" => {
                self.in_call = true;
                self.call(number.parse()?);
            }
            _ => {}
        }
        Ok(())
    }

    fn cost(&mut self, line: &str) -> Fallible<()> {
        let (address, cost) = line.split_once(' ').ok_or("an address without a cost")?;
        let cost: u64 = cost.parse()?;
        self.profile.instructions += cost;
        if self.in_own && self.locked.contains(&u64::from_str_radix(&address[2..], 16)?) {
            self.profile.locked += cost;
        }
        Ok(())
    }

    fn call(&mut self, calls: u64) {
        let function = self.functions.get(&self.called).map_or("", String::as_str);
        let profile = &mut self.profile;
        // Versions of symbols follow after `@`, depths of recursion after an apostrophe.
        match function.split(['@', '\'']).next().unwrap_or_default() {
            "clock_gettime" => profile.clocks += calls,
            "malloc" | "calloc" | "posix_memalign" | "aligned_alloc" => profile.allocations += calls,
            "realloc" => profile.reallocations += calls,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\
events: Ir
summary: 99

ob=(1) /bench
fn=(1) bench::send
0x1000 5
0x1004 3
cob=(2) /libc.so.6
cfn=(2) malloc
calls=2 0x2000
0x1008 40
0x1008 2

ob=(2)
fn=(2)
0x2000 40

ob=(1)
fn=(3) bench::wait
0x1010 1
cfn=(4) clock_gettime@@GLIBC_2.17
calls=7 0x2100
0x1010 70
cfn=(2)
calls=1 0x2000
0x1014 20
";

    #[test]
    fn profile_has_own_costs_and_calls_by_function() {
        // The last is the address of an instruction of libc too.
        let locked = HashSet::from([0x1004, 0x1010, 0x2000]);
        let profile = Reader::new("/bench", &locked).read(OUTPUT.as_bytes()).unwrap();
        let expected = Profile { instructions: 51, locked: 4, clocks: 7, allocations: 3, reallocations: 0 };
        assert_eq!(profile, expected);
    }
}
