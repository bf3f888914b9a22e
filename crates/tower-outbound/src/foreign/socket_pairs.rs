//! Which connection has which two socket addresses.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use http::Extensions;
use hyper_util::client::legacy::connect::{Connected, HttpInfo};

use crate::record::Connection;

/// So many connections are remembered at least, the last ones that were opened or have served; at most twice as many.
const REMEMBERED: usize = 1024;

type Pair = (SocketAddr, SocketAddr);

/// The connections of one client by their socket pairs. No two open sockets have the same pair, and each new connection
/// is recorded, or removes what was: so what is found is the connection, whether or not an earlier one had the same pair.
///
/// Nothing tells that a connection is closed, so the ones that have not served for long are forgotten.
#[derive(Clone, Debug)]
pub(crate) struct Sockets(Arc<Mutex<Generations>>);

#[derive(Debug)]
struct Generations {
    young: HashMap<Pair, Connection>,
    old: HashMap<Pair, Connection>,
    remembered: usize,
}

pub(crate) fn pair(info: &HttpInfo) -> Pair {
    (info.local_addr(), info.remote_addr())
}

/// Of a connection that has addresses.
pub(crate) fn pair_of(connected: &Connected) -> Option<Pair> {
    let mut extras = Extensions::new();
    connected.get_extras(&mut extras);
    extras.get::<HttpInfo>().map(pair)
}

impl Sockets {
    pub(crate) fn new() -> Self {
        Self::remembering(REMEMBERED)
    }

    fn remembering(remembered: usize) -> Self {
        let none = Generations { young: HashMap::new(), old: HashMap::new(), remembered };
        Self(Arc::new(Mutex::new(none)))
    }

    /// A new connection; one that had the same pair is closed.
    pub(crate) fn add(&self, pair: Pair, connection: Connection) {
        // What observers keep in a connection is dropped without the lock.
        let forgotten = self.with(|sockets| (sockets.old.remove(&pair), sockets.put(pair, connection)));
        drop(forgotten);
    }

    /// A new connection that nothing is known of; one that had the same pair is closed.
    pub(crate) fn remove(&self, pair: Pair) {
        let forgotten = self.with(|sockets| (sockets.young.remove(&pair), sockets.old.remove(&pair)));
        drop(forgotten);
    }

    /// The connection with this pair, if it is remembered.
    pub(crate) fn find(&self, pair: Pair) -> Option<Connection> {
        let (found, forgotten) = self.with(|sockets| {
            if let Some(found) = sockets.young.get(&pair) {
                return (Some(found.clone()), None);
            }
            let Some(found) = sockets.old.remove(&pair) else { return (None, None) };
            (Some(found.clone()), Some(sockets.put(pair, found)))
        });
        drop(forgotten);
        found
    }

    /// A request was sent that nobody here has seen: a connection that has not served, and is not kept for the attempt
    /// that has made it, may have served now.
    pub(crate) fn distrust_unused(&self) {
        let forgotten = self.with(|sockets| {
            let unused = |_: &Pair, one: &mut Connection| one.uses() == 0 && !one.is_first_kept();
            let Generations { young, old, .. } = sockets;
            [young, old].map(|each| take_if(each, unused))
        });
        drop(forgotten);
    }

    fn with<T>(&self, act: impl FnOnce(&mut Generations) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Generations {
    /// Returns what is forgotten for it.
    fn put(&mut self, pair: Pair, connection: Connection) -> (Option<Connection>, HashMap<Pair, Connection>) {
        let before = self.young.insert(pair, connection);
        if self.young.len() < self.remembered {
            return (before, HashMap::new());
        }
        (before, std::mem::replace(&mut self.old, std::mem::take(&mut self.young)))
    }
}

fn take_if(
    map: &mut HashMap<Pair, Connection>,
    mut is_meant: impl FnMut(&Pair, &mut Connection) -> bool,
) -> Vec<Connection> {
    let pairs: Vec<_> =
        map.iter_mut().filter_map(|(pair, one)| is_meant(pair, one).then_some(*pair)).collect();
    pairs.iter().filter_map(|pair| map.remove(pair)).collect()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::time::Instant;

    use super::*;
    use crate::outbound::Outbound;
    use crate::record::Setup;

    fn pair(port: u16) -> Pair {
        let address = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        (address(port), address(80))
    }

    fn connection(outbound: &Outbound, port: u16, first_kept: bool) -> Connection {
        let registry = outbound.registry();
        let origin = registry.origin(&"http://localhost".parse().unwrap());
        let setup = Setup::start(origin, None, registry.observers().clone());
        Connection::untracked(registry, setup, pair(port), None, first_kept, Instant::now())
    }

    #[test]
    fn socket_pair_added_again_is_new_connection() {
        let (outbound, sockets) = (Outbound::new(), Sockets::new());
        let [first, second] = [1, 1].map(|port| connection(&outbound, port, false));
        sockets.add(pair(1), first.clone());
        assert_eq!(sockets.find(pair(1)), Some(first));
        sockets.add(pair(1), second.clone());
        assert_eq!(sockets.find(pair(1)), Some(second));
        assert!(outbound.connections().is_empty(), "none of them is known to be open");
    }

    #[test]
    fn sockets_unused_are_forgotten_and_used_are_kept() {
        let (outbound, sockets) = (Outbound::new(), Sockets::remembering(4));
        for port in 1..=100 {
            sockets.add(pair(port), connection(&outbound, port, false));
            assert!(sockets.find(pair(1)).is_some(), "it serves, at {port}");
        }
        assert!(sockets.find(pair(2)).is_none() && sockets.find(pair(50)).is_none());
        assert!(sockets.find(pair(98)).is_some());
        assert!(sockets.with(|sockets| sockets.young.len() + sockets.old.len()) <= 8);
    }

    #[test]
    fn socket_pair_added_again_replaces_entry_moved_to_old() {
        let (outbound, sockets) = (Outbound::new(), Sockets::remembering(2));
        for port in [1, 2, 3] {
            sockets.add(pair(port), connection(&outbound, port, false));
        }
        let again = connection(&outbound, 1, false);
        sockets.add(pair(1), again.clone());
        assert_eq!(sockets.find(pair(1)), Some(again));
    }

    #[test]
    fn socket_pair_removed_from_young_or_old_is_not_found() {
        let (outbound, sockets) = (Outbound::new(), Sockets::remembering(2));
        for port in [1, 2, 3] {
            sockets.add(pair(port), connection(&outbound, port, false));
        }
        for port in [1, 3] {
            sockets.remove(pair(port));
        }
        assert_eq!([1, 2, 3].map(|port| sockets.find(pair(port)).is_some()), [false, true, false]);
    }

    #[test]
    fn distrust_unused_forgets_connections_without_use() {
        let (outbound, sockets) = (Outbound::new(), Sockets::new());
        sockets.add(pair(1), connection(&outbound, 1, false));
        sockets.add(pair(2), connection(&outbound, 2, true));
        sockets.distrust_unused();
        assert!(sockets.find(pair(1)).is_none());
        assert!(sockets.find(pair(2)).is_some(), "its first use is that of who has made it");
    }
}
