//! The instrument `storm` in a few seconds, and the proof that it counts each error.
//!
//! A storm counts the sockets of its process, so this program runs one test at a time and has no other tests.

use std::process::ExitCode;
use std::time::Duration;

use outbound_tests::cells::Program;
use outbound_tests::storm::{Leak, Left, Report, Settings, run};

fn storm(calls: u64, leak: Option<Leak>) -> Report {
    let settings = Settings::new(calls, 1);
    let settings = match leak {
        Some(_) => Settings { watchdog: Duration::from_secs(2), leak, ..settings },
        None => settings,
    };
    let report = run(&settings).unwrap();
    println!("{report}");
    report
}

fn main() -> ExitCode {
    let mut program = Program::new("storm").one_at_a_time();
    program.check("storm_leaves_nothing_and_every_call_ends", || {
        // Sixteen waves: the last has the peers that stall and take nothing.
        let report = storm(4_096, None);
        let last = report.to_string().lines().last().unwrap_or_default().to_owned();
        let nothing = "0 without an end; left: 0 sockets, 0 tasks, 0 permits, 0 gauges";
        assert_eq!(last, format!("storm: 4096 calls, {nothing}"), "{report}");
        let ends = report.ends();
        assert_eq!(ends.iter().sum::<u64>(), 4_096, "{report}");
        assert!(ends.iter().all(|count| *count > 100), "{report}");
    });
    let nothing = Left::default();
    let leaks = [
        ("permit", Leak::Permit, 0, Left { permits: 1, ..nothing }),
        ("socket", Leak::Socket, 0, Left { sockets: 1, ..nothing }),
        ("task", Leak::Task, 0, Left { tasks: 1, ..nothing }),
        ("gauge", Leak::Gauge, 0, Left { gauges: 1, ..nothing }),
        ("call", Leak::Call, 1, nothing),
    ];
    for (name, leak, without_end, left) in leaks {
        program.check(&format!("storm_planted_{name}_is_counted_as_one"), move || {
            let report = storm(512, Some(leak));
            assert_eq!((report.without_end(), report.left()), (without_end, left), "{report}");
            assert!(!report.is_clean());
        });
    }
    program.run(Vec::new)
}
