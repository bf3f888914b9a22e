//! What a run does: scenes, each a new client with new peers, and the requests of each scene. Everything follows from
//! the seed.

use std::fmt;
use std::time::Duration;

use fastrand::Rng;

use super::clients::{ALL, Client};
use super::fault::{AtAccept, Fault};

/// The requests of a scene.
const REQUESTS: usize = 200;
/// The scenes at the start with one request at a time and no fault: they measure the first byte.
const QUIET: usize = 2;

/// All scenes of a run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The number of requests.
    pub requests: usize,
    /// From which everything follows.
    pub seed: u64,
    /// Leave out the faults whose reports are known to be wrong: see [`Fault::pending`].
    pub settled: bool,
}

/// A new client, new peers and requests between them.
#[derive(Clone, Debug)]
pub struct Scene {
    /// The run's.
    pub seed: u64,
    /// Counted from 0.
    pub number: usize,
    /// The client.
    pub client: Client,
    /// Requests at once.
    pub concurrency: usize,
    /// Whether the retry layer may send again.
    pub retries: bool,
    /// The limit of requests in flight; 0 is none.
    pub in_flight: usize,
    /// The requests, in the order in which they are begun.
    pub steps: Vec<Step>,
}

/// One request: what the caller does, and what the peer does with the first attempt that it reads of it.
#[derive(Clone, Debug)]
pub struct Step {
    /// The body.
    pub upload: Upload,
    /// What the caller does.
    pub act: Act,
    /// What goes wrong.
    pub fault: Fault,
    /// How long the peer thinks between request and answer.
    pub delay: Duration,
    /// Bytes of the answer's body.
    pub answer: usize,
    /// The answer's body has no length in its head (HTTP/1).
    pub chunked: bool,
    /// How much of the body the peer reads before a fault amid the upload.
    pub read: usize,
}

/// The body of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upload {
    /// None: a GET.
    Nothing,
    /// A body that has no bytes, and says so only when it is polled: a GET.
    Unsaid,
    /// One buffer.
    Whole(usize),
    /// Frames of 16 KiB without a length in the head.
    Frames(usize),
    /// As `Frames`, with a pause of some milliseconds amid them.
    Paused(usize),
}

/// What the caller does with the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Reads it to its end.
    Read,
    /// Drops its body unread.
    DropBody,
    /// Drops the call after this time, if it is not over.
    Cancel(Duration),
}

impl Plan {
    /// The number of scenes.
    #[must_use]
    pub fn scenes(&self) -> usize {
        self.requests.div_ceil(REQUESTS)
    }

    /// A scene, by its number.
    #[must_use]
    pub fn scene(&self, number: usize) -> Scene {
        let mut random = random(self.seed, number);
        let requests = REQUESTS.min(self.requests - (number * REQUESTS).min(self.requests));
        let quiet = number < QUIET;
        // The first client speaks HTTP/1 without TLS: there the first byte is seen.
        let client = ALL[if quiet { 0 } else { number % ALL.len() }];
        let concurrency = if quiet { 1 } else { [1, 2, 4, 8, 16][random.usize(..5)] };
        let step = |random: &mut Rng| match quiet {
            true => Step { delay: Duration::ZERO, ..self.plain(random) },
            false => self.step(random, client),
        };
        let limited = !quiet && random.u8(..4) == 0;
        Scene {
            seed: self.seed,
            number,
            client,
            concurrency,
            retries: !quiet && random.bool(),
            in_flight: if limited { concurrency.div_ceil(2) } else { 0 },
            steps: (0..requests).map(|_| step(&mut random)).collect(),
        }
    }

    fn step(&self, random: &mut Rng, client: Client) -> Step {
        let faults = Fault::of(client, self.settled);
        let mut step = self.plain(random);
        match random.u8(..100) {
            0..=11 => step.fault = faults[random.usize(..faults.len())],
            12..=13 => step.act = Act::DropBody,
            14..=16 => step.act = Act::Cancel(Duration::from_micros(random.u64(..3_000))),
            _ => {}
        }
        if step.fault.needs_upload() {
            step.upload = match random.u8(..3) {
                0 => Upload::Whole(6 << 20),
                1 => Upload::Frames(2 << 20),
                _ => Upload::Paused(64 << 10),
            };
            // A part of the paused body's first half.
            step.read = random.usize(..24 << 10);
        }
        if step.fault.needs_body() {
            step.answer = step.answer.max(4_000);
        }
        step
    }

    /// A request of which nothing goes wrong.
    fn plain(&self, random: &mut Rng) -> Step {
        let upload = match random.u8(..10) {
            0..=4 => Upload::Nothing,
            5 => Upload::Unsaid,
            6 | 7 => Upload::Whole(random.usize(1..3_000)),
            8 => Upload::Whole(random.usize(1..200_000)),
            _ => Upload::Frames(random.usize(1..80_000)),
        };
        let delay =
            if random.u8(..3) == 0 { Duration::from_micros(random.u64(..3_000)) } else { Duration::ZERO };
        Step {
            upload,
            act: Act::Read,
            fault: Fault::None,
            delay,
            answer: if random.u8(..8) == 0 { 0 } else { random.usize(1..16_000) },
            chunked: random.bool(),
            read: 0,
        }
    }
}

impl Scene {
    /// What the peer does with a new connection, by the order of acceptance.
    #[must_use]
    pub fn at_accept(&self, connection: usize) -> AtAccept {
        let quiet = self.number < QUIET;
        match random(self.seed ^ 0xacce, self.number << 20 | connection).u8(..64) {
            0 if !quiet => AtAccept::Close,
            1 if !quiet => AtAccept::Reset,
            _ => AtAccept::Serve,
        }
    }

    /// The pause before the peer ends a connection that it has answered.
    #[must_use]
    pub fn idle(&self, connection: usize) -> Duration {
        Duration::from_micros(random(self.seed ^ 0x1d1e, self.number << 20 | connection).u64(..3_000))
    }
}

/// What is needed to play a request again.
impl fmt::Display for Scene {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Scene { seed, number, client, concurrency, retries, in_flight, .. } = self;
        write!(f, "--seed {seed} --scene {number}: {client}, {concurrency} at once")?;
        if *in_flight > 0 {
            write!(f, ", at most {in_flight} in flight")?;
        }
        f.write_str(if *retries { ", with retries" } else { ", without retries" })
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Step { upload, act, fault, delay, answer, chunked, read } = self;
        write!(f, "{upload:?} → {answer} bytes{} after {delay:?}", if *chunked { " in chunks" } else { "" })?;
        write!(f, ", fault {fault:?}")?;
        if fault.needs_upload() {
            write!(f, " after {read} bytes")?;
        }
        write!(f, ", caller {act:?}")
    }
}

/// The numbers of one scene depend on nothing before it.
fn random(seed: u64, number: usize) -> Rng {
    let mut random = Rng::with_seed(seed ^ (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    // The first number of near seeds is alike.
    random.u64(..);
    random
}
