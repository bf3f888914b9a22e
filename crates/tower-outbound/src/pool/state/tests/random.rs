use proptest::prelude::*;

use super::*;

/// An event. The numbers choose among what there is.
#[derive(Clone, Debug)]
enum Step {
    Request(usize, usize),
    Connected(usize),
    ConnectFails(usize),
    Settles(usize),
    LosesPatience(usize),
    EndLease(usize),
    Cancel(usize),
    CloseEnds(usize),
    Dies(usize),
    Passes(u64),
    Reset,
    Limits(Limits),
}

fn step() -> impl Strategy<Value = Step> {
    let any = 0..1000_usize;
    prop_oneof![
        6 => (0..HOSTS.len(), 0..2_usize).prop_map(|(host, home)| Step::Request(host, home)),
        4 => any.clone().prop_map(Step::Connected),
        1 => any.clone().prop_map(Step::ConnectFails),
        2 => any.clone().prop_map(Step::Settles),
        1 => any.clone().prop_map(Step::LosesPatience),
        4 => any.clone().prop_map(Step::EndLease),
        1 => any.clone().prop_map(Step::Cancel),
        3 => any.clone().prop_map(Step::CloseEnds),
        1 => any.prop_map(Step::Dies),
        1 => (1..20_u64).prop_map(Step::Passes),
        1 => Just(Step::Reset),
        1 => limits().prop_map(Step::Limits),
    ]
}

fn limits() -> impl Strategy<Value = Limits> {
    let some = || prop_oneof![1..4_usize, Just(usize::MAX)];
    let limits = (some(), some(), 0..3_usize, some(), some(), any::<bool>(), 1..4_u64);
    limits.prop_map(|(per_origin, total, idle_per_origin, waiting, streams, overflow, uses)| Limits {
        per_origin,
        total,
        idle_per_origin,
        waiting,
        streams,
        overflow,
        uses,
        idle_timeout: Some(Duration::from_secs(10)),
        ..Limits::NONE
    })
}

fn protocols() -> impl Strategy<Value = (Option<Protocol>, Option<usize>)> {
    prop_oneof![
        Just((Some(Protocol::Http1), None)),
        Just((None, None)),
        (1..4_usize).prop_map(|streams| (Some(Protocol::Http2), Some(streams))),
        (1..4_usize).prop_map(|streams| (None, Some(streams))),
    ]
}

/// `World::check` holds after each step, and nothing is left when everything has ended.
#[test]
fn state_keeps_its_invariants_in_any_order() {
    let steps = proptest::collection::vec(step(), 1..80);
    proptest!(|(limits in limits(), (protocol, streams) in protocols(), several in 1..3_usize, steps in steps)| {
        let mut world = World::new(limits, protocol);
        for step in steps {
            match step {
                Step::Request(host, home) => drop(world.request_from(host, homes()[home % several])),
                Step::Connected(at) if !world.connecting.is_empty() => {
                    world.connected(at % world.connecting.len(), streams);
                }
                Step::ConnectFails(at) if !world.connecting.is_empty() => {
                    world.connect_fails(at % world.connecting.len());
                }
                Step::Settles(at) if !world.leases.is_empty() => world.settles(at % world.leases.len()),
                Step::LosesPatience(at) if !world.held.is_empty() => {
                    world.loses_patience(at % world.held.len());
                }
                Step::EndLease(at) if !world.leases.is_empty() => world.end_lease(at % world.leases.len()),
                Step::Cancel(at) if !world.waiting.is_empty() => world.cancel(at % world.waiting.len()),
                Step::CloseEnds(at) if !world.closing.is_empty() => world.close_ends(at % world.closing.len()),
                Step::Dies(at) => {
                    let open = world.open_links();
                    if !open.is_empty() {
                        world.dies(open[at % open.len()]);
                    }
                }
                Step::Passes(seconds) => world.passes(Duration::from_secs(seconds)),
                Step::Reset => world.reset(),
                Step::Limits(limits) => world.set_limits(limits),
                _ => {}
            }
        }
        // Everything ends: every request that waits is served or fails.
        for _ in 0..10_000 {
            if !world.connecting.is_empty() {
                world.connected(0, streams);
            } else if !world.leases.is_empty() {
                world.end_lease(0);
            } else if !world.closing.is_empty() {
                world.close_ends(0);
            } else {
                break;
            }
        }
        prop_assert!(world.waiting.is_empty(), "waits for ever");
        for link in world.open_links() {
            world.dies(link);
        }
        while !world.closing.is_empty() {
            world.close_ends(0);
        }
        prop_assert_eq!(world.state.counts(), (0, 0, 0));
        prop_assert_eq!(world.state.links.len(), 0);
    });
}
