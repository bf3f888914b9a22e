use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn http1(limits: Limits) -> World {
    World::new(limits, Some(Protocol::Http1))
}

fn of_number(fate: &Fate) -> Option<u64> {
    if let Fate::Served { number, .. } = fate { Some(*number) } else { None }
}

#[test]
fn idle_connection_used_last_is_used_first() {
    let mut world = http1(Limits::NONE);
    for _ in 0..2 {
        assert_eq!(world.request(0), Fate::Waits);
        world.connected(0, None);
    }
    let [first, second] = [world.leases[0], world.leases[1]];
    world.end_lease(0);
    world.end_lease(0);
    assert_eq!(world.request(0), Fate::Served { link: second, number: 2 });
    assert_eq!(world.request(0), Fate::Served { link: first, number: 2 });
}

#[test]
fn waiters_beyond_limit_are_served_in_order() {
    let mut world = http1(Limits { per_origin: 1, ..Limits::NONE });
    assert_eq!(world.request(0), Fate::Waits);
    world.connected(0, None);
    let waiters: Vec<_> = (0..3)
        .map(|_| {
            assert_eq!(world.request(0), Fate::Waits);
            *world.waiting.keys().last().unwrap()
        })
        .collect();
    world.answered.clear();
    for _ in 0..3 {
        world.end_lease(0);
    }
    let served: Vec<_> = world.answered.iter().map(|(key, fate)| (*key, of_number(fate))).collect();
    let numbers = [Some(2), Some(3), Some(4)];
    assert_eq!(served, waiters.into_iter().zip(numbers).collect::<Vec<_>>());
}

#[test]
fn unknown_protocol_connects_once_for_all_that_wait() {
    let mut world = World::new(Limits::NONE, None);
    for _ in 0..3 {
        assert_eq!(world.request(0), Fate::Waits);
    }
    assert_eq!(world.connecting.len(), 1);
    world.connected(0, Some(100));
    assert_eq!(world.leases.len(), 3, "one HTTP/2 connection serves them all");
    assert!(world.connecting.is_empty());

    let mut world = World::new(Limits::NONE, None);
    for _ in 0..3 {
        assert_eq!(world.request(0), Fate::Waits);
    }
    world.connected(0, None);
    assert_eq!((world.leases.len(), world.connecting.len()), (1, 2), "HTTP/1: the others connect now");
}

#[test]
fn http2_opens_another_connection_when_streams_are_used_up() {
    let mut world = World::new(Limits { per_origin: 2, ..Limits::NONE }, Some(Protocol::Http2));
    for _ in 0..5 {
        world.request(0);
    }
    world.connected(0, Some(2));
    assert_eq!((world.leases.len(), world.connecting.len()), (2, 1));
    world.connected(0, Some(2));
    assert_eq!((world.leases.len(), world.connecting.len()), (4, 0), "never beyond the limit");
    world.end_lease(0);
    assert_eq!(world.leases.len(), 4, "the fifth has the stream");
}

#[test]
fn connect_of_cancelled_request_serves_the_next() {
    let mut world = http1(Limits { per_origin: 1, ..Limits::NONE });
    world.request(0);
    world.cancel(0);
    assert_eq!(world.request(0), Fate::Waits);
    assert_eq!(world.connecting.len(), 1, "no second connect");
    world.connected(0, None);
    assert_eq!(world.leases.len(), 1);
}

#[test]
fn failed_connect_fails_its_request_and_those_without() {
    let mut world = World::new(Limits::NONE, None);
    for _ in 0..3 {
        world.request(0);
    }
    world.connect_fails(0);
    assert_eq!(world.answered.iter().filter(|(_, fate)| *fate == Fate::Failed).count(), 3);
    assert!(world.connecting.is_empty());

    // Beside an open connection, only the request that connects fails.
    let mut world = http1(Limits { per_origin: 2, ..Limits::NONE });
    world.request(0);
    world.connected(0, None);
    for _ in 0..3 {
        world.request(0);
    }
    world.answered.clear();
    world.connect_fails(0);
    assert_eq!(world.answered.iter().filter(|(_, fate)| *fate == Fate::Failed).count(), 1);
    assert_eq!(world.connecting.len(), 1, "the next one connects");
}

#[test]
fn total_is_shared_by_turns_and_idle_makes_room() {
    let mut world = http1(Limits { total: 1, ..Limits::NONE });
    world.request(0);
    world.connected(0, None);
    // Two of origin 1, then one of origin 2.
    for host in [1, 1, 2] {
        assert_eq!(world.request(host), Fate::Waits);
    }
    assert!(world.connecting.is_empty());
    world.end_lease(0);
    assert_eq!(world.closed, [Why::Surplus], "what becomes idle makes room for the origins that wait");
    world.close_ends(0);
    assert_eq!(world.connecting.len(), 1);
    world.connected(0, None);
    let of = |world: &World| world.state.links.get(world.leases[0]).origin;
    let first = of(&world);
    world.end_lease(0);
    assert_eq!(of(&world), first, "the second of origin 1 uses the connection that is there");
    world.end_lease(0);
    world.close_ends(0);
    world.connected(0, None);
    assert_ne!(of(&world), first);
}

#[test]
fn queue_beyond_its_bound_is_full() {
    let mut world = http1(Limits { per_origin: 1, waiting: 2, ..Limits::NONE });
    world.request(0);
    assert_eq!(
        [world.request(0), world.request(0), world.request(0)],
        [Fate::Waits, Fate::Waits, Fate::Full]
    );
    assert_eq!(world.request(1), Fate::Waits, "another origin has its own queue");
}

#[test]
fn overflow_opens_above_limit_and_keeps_the_limit() {
    let limits = Limits { per_origin: 2, overflow: true, ..Limits::NONE };
    let mut world = http1(limits);
    for _ in 0..5 {
        world.request(0);
    }
    while !world.connecting.is_empty() {
        world.connected(0, None);
    }
    assert_eq!(world.leases.len(), 5);
    while !world.leases.is_empty() {
        world.end_lease(0);
    }
    assert_eq!(world.closed, [Why::Surplus; 3]);
    assert_eq!(world.state.counts().1, 2, "idle");
}

#[test]
fn connection_with_age_uses_or_idle_timeout_is_closed() {
    let mut world = http1(Limits { uses: 2, idle_timeout: Some(10 * SECOND), ..Limits::NONE });
    world.request(0);
    world.connected(0, None);
    world.end_lease(0);
    world.request(0);
    world.end_lease(0);
    assert_eq!(world.closed, [Why::MaxUses]);
    world.request(0);
    world.connected(0, None);
    world.end_lease(0);
    world.passes(9 * SECOND);
    assert_eq!(world.closed.len(), 1);
    world.passes(SECOND);
    assert_eq!(world.closed, [Why::MaxUses, Why::Idle]);
}

#[test]
fn reset_closes_idle_and_retires_busy() {
    let mut world = http1(Limits::NONE);
    for _ in 0..2 {
        world.request(0);
        world.connected(0, None);
    }
    world.end_lease(0);
    world.reset();
    assert_eq!(world.closed, [Why::Reset]);
    world.end_lease(0);
    assert_eq!(world.closed, [Why::Reset; 2], "the busy one, when it is given back");
    assert_eq!(world.request(0), Fate::Waits, "a new connection");
}

#[test]
fn connect_is_held_back_for_connection_that_settles() {
    let mut world = http1(Limits::NONE);
    world.request(0);
    world.connected(0, None);
    world.settles(0);
    assert_eq!(world.request(0), Fate::Waits);
    assert_eq!((world.held.len(), world.connecting.len()), (1, 0));
    assert_eq!(world.request(0), Fate::Waits);
    assert_eq!((world.held.len(), world.connecting.len()), (1, 1), "one connection serves one of them");
    world.answered.clear();
    world.end_lease(0);
    assert_eq!(world.answered.len(), 1, "the first has the connection");
    assert!(world.held.is_empty());
    assert_eq!(world.state.counts().0, 2, "and its connect is given up");
}

#[test]
fn connect_held_back_begins_when_connection_ends() {
    for dies in [false, true] {
        let mut world = http1(Limits { uses: 1, ..Limits::NONE });
        world.request(0);
        world.connected(0, None);
        world.settles(0);
        world.request(0);
        assert_eq!(world.held.len(), 1);
        if dies {
            world.dies(world.leases[0]);
        }
        world.end_lease(0);
        assert_eq!((world.held.len(), world.connecting.len()), (0, 1), "dies: {dies}");
    }
}

#[test]
fn connect_held_back_begins_when_patience_ends() {
    let mut world = http1(Limits::NONE);
    world.request(0);
    world.connected(0, None);
    world.settles(0);
    world.request(0);
    world.loses_patience(0);
    assert_eq!(world.connecting.len(), 1);
}

#[test]
fn smaller_limit_closes_idle_first_and_drains_busy() {
    let mut world = World::new(Limits { per_origin: 4, ..Limits::NONE }, Some(Protocol::Http1));
    for _ in 0..4 {
        world.request(0);
        world.connected(0, None);
    }
    world.end_lease(0);
    world.set_limits(Limits { per_origin: 2, ..Limits::NONE });
    assert_eq!(world.closed, [Why::Surplus], "the idle one");
    assert_eq!(world.leases.len(), 3, "no busy one");
    assert_eq!(world.request(0), Fate::Waits);
    world.close_ends(0);
    assert!(world.connecting.is_empty(), "three are open, and two allowed");
    let retired = |world: &World, at: usize| world.state.links.get(world.leases[at]).retired.is_some();
    let drains = (0..3).find(|at| retired(&world, *at)).unwrap();
    world.end_lease(drains);
    assert_eq!(world.closed, [Why::Surplus; 2], "the waiting request does not get it");
    world.end_lease(0);
    assert!(matches!(world.answered[0].1, Fate::Served { number: 2, .. }), "but one that stays");
}

#[test]
fn larger_limit_lets_waiting_requests_connect_at_once() {
    let mut world = World::new(Limits { per_origin: 1, total: 1, ..Limits::NONE }, Some(Protocol::Http1));
    for _ in 0..4 {
        world.request(0);
    }
    world.set_limits(Limits { per_origin: 3, total: 2, ..Limits::NONE });
    assert_eq!(world.connecting.len(), 2);
    world.set_limits(Limits { per_origin: 3, ..Limits::NONE });
    assert_eq!(world.connecting.len(), 3);
}

#[test]
fn smaller_limit_drains_shared_connections() {
    let mut world = World::new(Limits { per_origin: 2, streams: 1, ..Limits::NONE }, Some(Protocol::Http2));
    world.request(0);
    world.connected(0, Some(10));
    world.request(0);
    world.connected(0, Some(10));
    world.set_limits(Limits { per_origin: 1, streams: 2, ..Limits::NONE });
    assert_eq!(world.closed, [], "both are busy");
    let Fate::Served { link, number: 2 } = world.request(0) else { panic!("more streams are allowed") };
    assert_eq!(world.request(0), Fate::Waits, "the other one takes no more");
    let drains = world.leases.iter().position(|lease| *lease != link).unwrap();
    world.end_lease(drains);
    assert_eq!(world.closed, [Why::Surplus]);
}

#[test]
fn smaller_idle_limits_close_the_oldest() {
    let mut world = World::new(Limits::NONE, Some(Protocol::Http1));
    for host in [0, 0, 1] {
        world.request(host);
        world.connected(0, None);
    }
    let oldest = world.leases[0];
    for _ in 0..3 {
        world.passes(Duration::from_secs(1));
        world.end_lease(0);
    }
    world.set_limits(Limits { idle_per_origin: 1, ..Limits::NONE });
    assert_eq!((world.closed.len(), world.closing[0] == oldest), (1, true));
    world.set_limits(Limits { idle_total: 1, ..Limits::NONE });
    assert_eq!(world.closed, [Why::Surplus; 2]);
    assert_eq!(world.state.counts().1, 1);
}

#[test]
fn connection_of_other_runtime_is_not_handed_over() {
    let [first, second] = homes();
    let mut world = http1(Limits { per_origin: 2, ..Limits::NONE });
    assert_eq!(world.request_from(0, first), Fate::Waits);
    world.connected(0, None);
    world.end_lease(0);
    assert_eq!(world.request_from(0, second), Fate::Waits);
    assert_eq!(world.connecting.len(), 1, "it opens its own");
    world.connected(0, None);
    assert_eq!(of_number(&world.request_from(0, first)), Some(2), "its own");
    world.end_lease(0);
    assert_eq!(of_number(&world.request_from(0, second)), Some(2));
    assert_eq!(world.state.counts().0, 2);
}

#[test]
fn free_connection_makes_way_for_other_runtime_at_limit() {
    let [first, second] = homes();
    let mut world = http1(Limits { per_origin: 1, ..Limits::NONE });
    world.request_from(0, first);
    world.connected(0, None);
    world.end_lease(0);
    assert_eq!(world.request_from(0, second), Fate::Waits);
    assert_eq!(
        (world.closed.clone(), world.connecting.len()),
        (vec![Why::Surplus], 0),
        "not above the limit"
    );
    world.close_ends(0);
    assert_eq!(world.connecting.len(), 1);
    world.connected(0, None);
    // The oldest is served if its runtime has a connection, or a place is made for it.
    world.request_from(0, second);
    world.request_from(0, first);
    world.end_lease(0);
    assert_eq!((world.closed.len(), world.leases.len(), world.waiting.len()), (1, 1, 1));
    world.end_lease(0);
    assert_eq!((world.closed.len(), world.leases.len()), (2, 0));
    world.close_ends(0);
    world.connected(0, None);
    assert!(world.waiting.is_empty());
}
