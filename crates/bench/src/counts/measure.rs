//! Counts the settings, each in processes of its own.

use std::collections::HashSet;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::callgrind::{Profile, Reader, instructions};
use super::heap::heap;
use super::results::Counts;
use super::{locked, strace, tools};
use crate::Fallible;
use crate::client;
use crate::load::Plan;
use crate::server::Server;
use crate::settings::{Setting, Traffic};

/// Counts these settings, as many at a time. Nothing, if a program that counts is missing.
pub(crate) fn all(settings: &[Setting], at_a_time: usize, bytes: bool) -> Fallible<Vec<(Setting, Counts)>> {
    if !tools::present()? {
        return Ok(Vec::new());
    }
    let program = std::env::current_exe()?;
    let locked = locked::addresses(&program)?;
    let next = AtomicUsize::new(0);
    let measured = Mutex::new(Vec::new());
    let work = || -> Fallible<()> {
        let counter = Counter::new(&program, &locked, bytes)?;
        while let Some(setting) = settings.get(next.fetch_add(1, Relaxed)) {
            let counts = counter.count(setting).map_err(|error| format!("{}: {error}", setting.name))?;
            eprintln!("{:<28} {counts:.1?}", setting.name);
            measured.lock().expect("no panic").push((setting.clone(), counts));
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..at_a_time).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("no panic"))
    })?;
    Ok(measured.into_inner()?)
}

/// One server, and the clients that it answers one after the other.
struct Counter<'a> {
    program: &'a Path,
    locked: &'a HashSet<u64>,
    server: Server,
    scratch: tempfile::TempDir,
    /// Also the bytes of allocations, which take as long as the rest.
    bytes: bool,
}

impl<'a> Counter<'a> {
    fn new(program: &'a Path, locked: &'a HashSet<u64>, bytes: bool) -> Fallible<Self> {
        let server = Server::start(Command::new(program))?;
        Ok(Self { program, locked, server, scratch: tempfile::tempdir()?, bytes })
    }

    fn count(&self, setting: &Setting) -> Fallible<Counts> {
        let requests = requests(setting.traffic);
        let [less, more] = [self.profile(setting, requests)?, self.profile(setting, 2 * requests)?];
        let [fewer, calls] = [self.syscalls(setting, requests)?, self.syscalls(setting, 2 * requests)?];
        let each = |less: u64, more: u64| (more as f64 - less as f64) / requests as f64;
        let counts = Counts {
            instructions: each(less.instructions, more.instructions),
            allocations: each(less.allocations, more.allocations),
            reallocations: each(less.reallocations, more.reallocations),
            syscalls: each(fewer, calls),
            locked: each(less.locked, more.locked),
            clocks: each(less.clocks, more.clocks),
            bytes: match self.bytes {
                true => {
                    let bytes = |requests| {
                        heap(self.program, self.scratch.path(), |command| {
                            client::run(command, setting, Plan::Count(requests), &self.server)
                        })
                    };
                    each(bytes(requests)?.total, bytes(2 * requests)?.total)
                }
                false => 0.0,
            },
        };
        Ok(counts)
    }

    fn profile(&self, setting: &Setting, requests: usize) -> Fallible<Profile> {
        let output = self.output();
        instructions(self.program, &output, |command| {
            client::run(command, setting, Plan::Count(requests), &self.server)
        })?;
        let program = self.program.to_str().ok_or("a path that is not text")?;
        Reader::new(program, self.locked).read(BufReader::new(File::open(output)?))
    }

    fn syscalls(&self, setting: &Setting, requests: usize) -> Fallible<u64> {
        let output = self.output();
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-c", "-o"]).arg(&output);
        client::run(command.arg(self.program), setting, Plan::Count(requests), &self.server)?;
        Ok(strace::calls(&std::fs::read_to_string(output)?))
    }

    fn output(&self) -> PathBuf {
        self.scratch.path().join("output")
    }
}

/// A multiple of the SDK's batch of 512, by four spans a request, and enough for less than 1 % between two runs.
fn requests(traffic: Traffic) -> usize {
    match traffic {
        Traffic::Warm | Traffic::H2 | Traffic::Tls | Traffic::Burst(_) => 1024,
        Traffic::Cold | Traffic::FramesUp | Traffic::FramesDown => 256,
        Traffic::BigUp | Traffic::BigDown => 32,
    }
}
