use std::net::Ipv4Addr;

use tokio::time::Instant;

use super::*;
use crate::event::Observers;
use crate::record::{Registry, Setup};
use crate::settings::StackSettings;

fn pair(port: u16) -> Pair {
    let address = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    (address(port), address(80))
}

fn registry() -> Registry {
    Registry::new(Observers::default(), StackSettings::default())
}

fn connection(registry: &Registry, port: u16, reserved: bool) -> Connection {
    let origin = registry.origin(&"http://localhost".parse().unwrap());
    let setup = Setup::start(origin, None, registry.observers().clone());
    Connection::untracked(registry, setup, pair(port), None, reserved, Instant::now())
}

#[test]
fn socket_pair_added_again_is_new_connection() {
    let (registry, sockets) = (registry(), SocketPairs::new());
    let [first, second] = [1, 1].map(|port| connection(&registry, port, false));
    sockets.add(pair(1), first.clone());
    assert_eq!(sockets.find(pair(1)), Some(first));
    sockets.add(pair(1), second.clone());
    assert_eq!(sockets.find(pair(1)), Some(second));
    assert!(registry.connections().is_empty(), "untracked connections do not count as open");
}

#[test]
fn sockets_unused_are_dropped_and_used_are_kept() {
    let (registry, sockets) = (registry(), SocketPairs::remembering(4));
    for port in 1..=100 {
        sockets.add(pair(port), connection(&registry, port, false));
        assert!(sockets.find(pair(1)).is_some(), "used at {port}");
    }
    assert!(sockets.find(pair(2)).is_none() && sockets.find(pair(50)).is_none());
    assert!(sockets.find(pair(98)).is_some());
    assert!(sockets.with(|sockets| sockets.young.len() + sockets.old.len()) <= 8);
}

#[test]
fn socket_pair_added_again_replaces_entry_moved_to_old() {
    let (registry, sockets) = (registry(), SocketPairs::remembering(2));
    for port in [1, 2, 3] {
        sockets.add(pair(port), connection(&registry, port, false));
    }
    let again = connection(&registry, 1, false);
    sockets.add(pair(1), again.clone());
    assert_eq!(sockets.find(pair(1)), Some(again));
}

#[test]
fn socket_pair_removed_from_young_or_old_is_not_found() {
    let (registry, sockets) = (registry(), SocketPairs::remembering(2));
    for port in [1, 2, 3] {
        sockets.add(pair(port), connection(&registry, port, false));
    }
    for port in [1, 3] {
        sockets.remove(pair(port));
    }
    assert_eq!([1, 2, 3].map(|port| sockets.find(pair(port)).is_some()), [false, true, false]);
}

#[test]
fn forget_unused_forgets_connections_without_use() {
    let (registry, sockets) = (registry(), SocketPairs::new());
    sockets.add(pair(1), connection(&registry, 1, false));
    sockets.add(pair(2), connection(&registry, 2, true));
    sockets.forget_unused();
    assert!(sockets.find(pair(1)).is_none());
    assert!(sockets.find(pair(2)).is_some(), "reserved for the attempt that opened it");
}
