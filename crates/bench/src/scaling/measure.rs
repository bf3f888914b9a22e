//! Runs the clients under valgrind.

use std::fs::File;
use std::io::BufReader;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::plan::{Among, Client, Plan};
use super::results::Results;
use crate::Fallible;
use crate::counts::{heap, instructions, tools_present};
use crate::server::Server;

const SIZES: [usize; 5] = [1, 10, 100, 1_000, 10_000];
const OBSERVERS: [usize; 5] = [0, 1, 2, 3, 4];
/// Between two runs.
const REQUESTS: usize = 1_024;
/// Connections, origins or attempts between two runs.
const HELD: [usize; 2] = [100, 1_100];

/// One figure that is to be had.
#[derive(Clone, Copy)]
enum Figure {
    Instructions(Plan),
    Heap(Client, Among),
}

/// Measures everything, so many at a time. Nothing, if a program that counts is missing.
pub(crate) fn all(at_a_time: usize) -> Fallible<Results> {
    let results = Mutex::new(Results::default());
    if !tools_present()? {
        return Ok(results.into_inner()?);
    }
    let (figures, next) = (figures(), AtomicUsize::new(0));
    let work = || -> Fallible<()> {
        let counter = Counter::new()?;
        while let Some(&figure) = figures.get(next.fetch_add(1, Relaxed)) {
            match figure {
                Figure::Instructions(plan) => {
                    let each = counter.instructions(plan)?.round();
                    let (among, client) = (plan.among.name(), plan.client.name());
                    eprintln!("{each} instructions among {} {among}: {client}", plan.size);
                    let mut results = results.lock().expect("no panic");
                    let curve = results.instructions.entry(among).or_default().entry(client).or_default();
                    curve.insert(plan.size, each);
                }
                Figure::Heap(client, among) => {
                    let each = counter.heap(client, among)?.round();
                    eprintln!("{each} bytes of each of {}: {}", among.name(), client.name());
                    let mut results = results.lock().expect("no panic");
                    results.heap.entry(among.name()).or_default().insert(client.name(), each);
                }
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..at_a_time).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("no panic"))
    })?;
    Ok(results.into_inner()?)
}

fn figures() -> Vec<Figure> {
    const ALL: [Client; 4] = [Client::Bare, Client::None, Client::Metrics, Client::Traces];
    let mut figures = Vec::new();
    let mut curve = |among, clients: &[Client], sizes: [usize; 5]| {
        for (&client, size) in clients.iter().flat_map(|client| sizes.map(|size| (client, size))) {
            // As many requests in all, or one for each that waits.
            let requests = if among == Among::Waiting { REQUESTS.div_ceil(size) } else { REQUESTS };
            figures.push(Figure::Instructions(Plan { client, among, size, requests }));
        }
    };
    curve(Among::Origins, &ALL, SIZES);
    curve(Among::Pooled, &ALL, [1, 10, 100, 1_000, 5_000]);
    curve(Among::Waiting, &[Client::None, Client::Traces], SIZES);
    curve(Among::Observers, &[Client::None], OBSERVERS);
    let clients = [Client::Bare, Client::BareTls, Client::None, Client::Metrics, Client::Traces];
    for among in [Among::Pooled, Among::Origins, Among::InFlight] {
        figures.extend(clients.map(|client| Figure::Heap(client, among)));
    }
    figures
}

/// One server, and the clients that it answers one after the other.
struct Counter {
    server: Server,
    scratch: tempfile::TempDir,
}

impl Counter {
    fn new() -> Fallible<Self> {
        let server = Server::start(Command::new(std::env::current_exe()?))?;
        Ok(Self { server, scratch: tempfile::tempdir()? })
    }

    fn run(&self, command: &mut Command, plan: Plan) -> Fallible<()> {
        let (plan, to) = (serde_json::to_string(&plan)?, serde_json::to_string(&self.server.addresses)?);
        let output = command.args(["scale", &plan, &to]).output()?;
        match output.status.success() {
            true => Ok(()),
            false => Err(format!("{plan}\n{}", String::from_utf8_lossy(&output.stderr)).into()),
        }
    }

    /// Of each request.
    fn instructions(&self, plan: Plan) -> Fallible<f64> {
        let [less, more] = [1, 2].map(|times| Plan { requests: times * plan.requests, ..plan });
        let [less, more] = [self.count(less)?, self.count(more)?];
        let tasks = if plan.among == Among::Waiting { plan.size } else { 1 };
        Ok((more as f64 - less as f64) / (plan.requests * tasks) as f64)
    }

    fn count(&self, plan: Plan) -> Fallible<u64> {
        let output = self.scratch.path().join("output");
        instructions(&std::env::current_exe()?, &output, |command| self.run(command, plan))?;
        let lines = std::io::BufRead::lines(BufReader::new(File::open(output)?));
        for line in lines {
            if let Some(sum) = line?.strip_prefix("summary: ") {
                return Ok(sum.parse()?);
            }
        }
        Err("no sum of callgrind".into())
    }

    /// Of each that is held.
    fn heap(&self, client: Client, among: Among) -> Fallible<f64> {
        let program = std::env::current_exe()?;
        let live = |size| -> Fallible<f64> {
            let plan = Plan { client, among, size, requests: 0 };
            Ok(heap(&program, self.scratch.path(), |command| self.run(command, plan))?.live as f64)
        };
        Ok((live(HELD[1])? - live(HELD[0])?) / (HELD[1] - HELD[0]) as f64)
    }
}
