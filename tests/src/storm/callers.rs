//! The callers, which wait for each other between two waves.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;

use super::call::Clients;
use super::plan::{CALLERS, Plan, ROUND, WAVE};
use super::tally::Tally;

/// What a caller needs.
#[derive(Clone)]
struct Work {
    clients: Clients,
    plan: Arc<Plan>,
    tally: Arc<Tally>,
    calls: u64,
    watchdog: Duration,
}

/// Callers on a runtime. When they are dropped, they end after their wave.
pub(super) struct Callers {
    next: watch::Sender<u64>,
    done: mpsc::Receiver<()>,
    patience: Duration,
}

impl Callers {
    /// They wait for the first wave.
    pub(super) fn start(
        runtime: &Handle,
        clients: &Clients,
        plan: &Arc<Plan>,
        tally: &Arc<Tally>,
        calls: u64,
        watchdog: Duration,
    ) -> Callers {
        let (next, done) = (watch::Sender::new(0), mpsc::channel());
        for caller in 0..CALLERS {
            let (clients, plan, tally) = (clients.clone(), Arc::clone(plan), Arc::clone(tally));
            let work = Work { clients, plan, tally, calls, watchdog };
            runtime.spawn(work.run(caller, next.subscribe(), done.0.clone()));
        }
        let round = u32::try_from(ROUND).expect("a small number");
        Callers { next, done: done.1, patience: watchdog * round * 2 + Duration::from_secs(60) }
    }

    /// Starts the next wave.
    pub(super) fn begin(&self) {
        self.next.send_modify(|waves| *waves += 1);
    }

    /// Waits for the end of the wave. Returns the number of callers that do not come back.
    pub(super) fn wait(&self) -> u64 {
        CALLERS - (0..CALLERS).take_while(|_| self.done.recv_timeout(self.patience).is_ok()).count() as u64
    }
}

impl Work {
    async fn run(self, caller: u64, mut next: watch::Receiver<u64>, done: mpsc::Sender<()>) {
        for wave in 0.. {
            if next.wait_for(|waves| *waves > wave).await.is_err() {
                return;
            }
            let first = wave * WAVE + caller * ROUND;
            for number in (first..first + ROUND).take_while(|number| *number < self.calls) {
                let call = self.plan.call(number);
                self.tally.add(call, self.clients.call(call, self.watchdog).await);
            }
            if done.send(()).is_err() {
                return;
            }
        }
    }
}
