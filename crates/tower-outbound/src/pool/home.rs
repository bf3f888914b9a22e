//! On which runtime a request is.

use std::cell::Cell;
use std::hash::{Hash, Hasher};

use tokio::runtime::Handle;
use tokio::task::{self, Id};

use super::state::Home;

/// Tasks whose runtime a thread remembers.
const KNOWN: usize = 64;

thread_local! {
    /// By the id of the task. To ask for the runtime's handle counts it up and down, which threads would contend for.
    static HOMES: [Cell<Option<(Id, Home)>>; KNOWN] = const { [const { Cell::new(None) }; KNOWN] };
}

/// The runtime of the current task, which it never leaves, or of the thread.
pub(super) fn current() -> Home {
    let Some(task) = task::try_id() else { return of_thread() };
    let known = HOMES.try_with(|homes| {
        let cell = &homes[place(task)];
        match cell.get() {
            Some((known, home)) if known == task => home,
            _ => {
                let home = of_thread();
                cell.set(Some((task, home)));
                home
            }
        }
    });
    known.unwrap_or_else(|_| of_thread())
}

fn of_thread() -> Home {
    Handle::try_current().ok().map(|runtime| runtime.id())
}

/// Ids are numbers that count up.
fn place(task: Id) -> usize {
    let mut number = Number(0);
    task.hash(&mut number);
    number.0 as usize % KNOWN
}

struct Number(u64);

impl Hasher for Number {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn home_of_tasks_is_their_runtime_in_any_order() {
        let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
        let runtimes = [runtime(), runtime()];
        assert_eq!(current(), None);
        for _ in 0..3 {
            for runtime in &runtimes {
                let id = Some(runtime.handle().id());
                runtime.block_on(async {
                    assert_eq!(current(), id, "no task");
                    for _ in 0..2 * KNOWN {
                        tokio::spawn(async move { assert_eq!((current(), current()), (id, id)) })
                            .await
                            .unwrap();
                    }
                });
            }
        }
    }
}
