//! One duel.

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::statistics::quantile;
use crate::contenders::{over_tls, plain};
use crate::load::{Run, Svc, Worker, batch};
use crate::settings::Traffic;
use crate::telemetry::Flush;

/// The contender's figures over those of hyper-util alone.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Duel {
    /// The median of the turns, with the export of their spans.
    pub(crate) requests_per_second: f64,
    /// The median of the turns, with the export of their spans.
    pub(crate) cpu: f64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    /// The contender's own, the median of the turns.
    pub(crate) per_second: f64,
}

/// Lets the contender and hyper-util alone take so many turns.
pub(crate) async fn against_bare<W: Worker>(
    run: &Run,
    turns: usize,
    contender: impl Fn() -> W,
    flush: &Flush,
) -> Duel {
    let job = run.job();
    match run.setting.traffic {
        Traffic::Tls => {
            let bare = over_tls(run);
            duel(run, turns, contender, || Svc::new(bare.clone(), job.clone()), flush).await
        }
        traffic => {
            let bare = plain(traffic);
            duel(run, turns, contender, || Svc::new(bare.clone(), job.clone()), flush).await
        }
    }
}

async fn duel<W: Worker, X: Worker>(
    run: &Run,
    turns: usize,
    contender: impl Fn() -> W,
    bare: impl Fn() -> X,
    flush: &Flush,
) -> Duel {
    let shape = Shape::of(run);
    let mut contender = Side::new((0..shape.workers).map(|_| contender()).collect());
    let mut bare = Side::new((0..shape.workers).map(|_| bare()).collect());
    // Twice as much as a turn, to warm up.
    for _ in 0..2 {
        contender.turn(&shape, flush).await;
        bare.turn(&shape, &Flush::nothing()).await;
    }
    (contender.turns, bare.turns) = (Vec::new(), Vec::new());
    (contender.latencies, bare.latencies) = (Vec::new(), Vec::new());
    for at in 0..turns {
        if at % 2 == 0 {
            contender.turn(&shape, flush).await;
        }
        bare.turn(&shape, &Flush::nothing()).await;
        if at % 2 == 1 {
            contender.turn(&shape, flush).await;
        }
    }
    let pairs = || contender.turns.iter().zip(&bare.turns);
    let median = |ratios: Vec<f64>| quantile(ratios, 0.5);
    Duel {
        requests_per_second: median(pairs().map(|(ours, theirs)| theirs.seconds / ours.seconds).collect()),
        cpu: median(pairs().map(|(ours, theirs)| ours.cpu / theirs.cpu).collect()),
        p50: latency(&contender.latencies, 0.5) / latency(&bare.latencies, 0.5),
        p99: latency(&contender.latencies, 0.99) / latency(&bare.latencies, 0.99),
        per_second: median(
            contender.turns.iter().map(|turn| (shape.workers * shape.each) as f64 / turn.seconds).collect(),
        ),
    }
}

fn latency(latencies: &[u32], share: f64) -> f64 {
    quantile(latencies.iter().map(|&nanos| f64::from(nanos)).collect(), share)
}

/// How many workers send, and how many requests each in a turn.
struct Shape {
    workers: usize,
    each: usize,
    expected: usize,
    bursts: bool,
}

impl Shape {
    fn of(run: &Run) -> Self {
        let (workers, each, bursts) = match run.setting.traffic {
            Traffic::Warm | Traffic::Tls => (32, 40, false),
            Traffic::H2 => (32, 30, false),
            Traffic::Cold => (1, 100, false),
            Traffic::FramesUp | Traffic::FramesDown => (32, 10, false),
            Traffic::BigUp | Traffic::BigDown => (8, 2, false),
            Traffic::Burst(workers) => (workers, 1280 / workers, true),
        };
        Self { workers, each, expected: run.job().expected, bursts }
    }
}

struct Side<W> {
    workers: Vec<W>,
    turns: Vec<Turn>,
    latencies: Vec<u32>,
}

struct Turn {
    seconds: f64,
    cpu: f64,
}

impl<W: Worker> Side<W> {
    fn new(workers: Vec<W>) -> Self {
        Self { workers, turns: Vec::new(), latencies: Vec::new() }
    }

    async fn turn(&mut self, shape: &Shape, flush: &Flush) {
        let (cpu, begun) = (cpu(), Instant::now());
        let workers = std::mem::take(&mut self.workers);
        let (workers, latencies) = batch(workers, shape.each, shape.expected, shape.bursts).await;
        // What the turn left to export is the turn's: as many requests per second could go on for hours.
        flush.now().await;
        let seconds = begun.elapsed().as_secs_f64();
        self.turns.push(Turn { seconds, cpu: self::cpu() - cpu });
        self.workers = workers;
        self.latencies.extend(latencies);
    }
}

/// The seconds of CPU that this process has used.
fn cpu() -> f64 {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    used.tv_sec as f64 + used.tv_nsec as f64 / 1e9
}
