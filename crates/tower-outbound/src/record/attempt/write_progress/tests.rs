use std::sync::Arc;
use std::thread;

use super::*;

fn written(progress: &WriteProgress, offered: u64, bytes: u64, end: WriteEnd) {
    assert!(progress.try_write(offered));
    progress.end_write(offered - bytes, end);
}

#[test]
fn seal_reports_what_was_written_and_forbids_the_rest() {
    type Case = (fn(&WriteProgress), Result<(), SendState>);
    let cases: [Case; 7] = [
        (|_| {}, Ok(())),
        (|progress| written(progress, 9, 0, WriteEnd::Nothing), Ok(())),
        (|progress| written(progress, 9, 0, WriteEnd::Touched), Err(SendState::Partial(0))),
        (|progress| written(progress, 9, 4, WriteEnd::Touched), Err(SendState::Partial(4))),
        // TLS has taken the rest of the request, and its flush is pending or has failed.
        (
            |progress| {
                assert!(progress.try_write(9));
                progress.end_write(0, WriteEnd::Nothing);
            },
            Err(SendState::Partial(9)),
        ),
        // Another thread is in the write: no more than this can have been written.
        (|progress| assert!(progress.try_write(9)), Err(SendState::Partial(9))),
        (
            |progress| {
                written(progress, 9, 9, WriteEnd::Touched);
                written(progress, 0, 0, WriteEnd::Complete);
            },
            Err(SendState::Sent),
        ),
    ];
    for (write, state) in cases {
        let progress = WriteProgress::default();
        write(&progress);
        assert!(!progress.is_sealed());
        for _ in 0..2 {
            assert_eq!(progress.seal(), state);
            assert!(progress.is_sealed() && !progress.try_write(1));
        }
        // Not even after another connection has begun.
        progress.begin_turn();
        assert!(!progress.try_write(1));
        assert_eq!(progress.seal(), state);
    }
}

#[test]
fn begin_turn_starts_count_anew_on_another_connection() {
    let progress = WriteProgress::default();
    written(&progress, 9, 4, WriteEnd::Touched);
    progress.begin_turn();
    written(&progress, 9, 3, WriteEnd::Touched);
    assert_eq!(progress.seal(), Err(SendState::Partial(3)));
}

#[test]
fn seal_against_writes_of_another_thread_stays_true() {
    for round in 0..500 {
        let progress = Arc::new(WriteProgress::default());
        let writer = progress.clone();
        let thread = thread::spawn(move || {
            let mut sum = 0;
            while writer.try_write(8) {
                // Every other write takes a part.
                let bytes = 8 - sum % 2 * 3;
                writer.end_write(8 - bytes, WriteEnd::Touched);
                sum += bytes;
            }
            sum
        });
        for _ in 0..round {
            spin_loop();
        }
        let state = progress.seal();
        let sum = thread.join().unwrap();
        assert_eq!(state, if sum == 0 { Ok(()) } else { Err(SendState::Partial(sum)) });
    }
}
