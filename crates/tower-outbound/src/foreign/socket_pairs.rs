//! Finds a connection by its two socket addresses, for a client that shows these only.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use http::Extensions;
use hyper_util::client::legacy::connect::{Connected, HttpInfo};

use crate::record::Connection;

/// How many connections are remembered at least, the most recently opened or used; at most twice as many.
const REMEMBERED: usize = 1024;

type Pair = (SocketAddr, SocketAddr);

/// The connections of one client by their pairs of socket addresses. No two open sockets have the same pair, and each new
/// connection replaces or removes the entry of its pair, so an entry never belongs to an earlier connection.
///
/// Closed connections are not reported, so the least recently used entries are dropped.
#[derive(Clone, Debug)]
pub(crate) struct SocketPairs(Arc<Mutex<Generations>>);

#[derive(Debug)]
struct Generations {
    young: HashMap<Pair, Connection>,
    old: HashMap<Pair, Connection>,
    remembered: usize,
}

pub(crate) fn pair(info: &HttpInfo) -> Pair {
    (info.local_addr(), info.remote_addr())
}

/// The pair of a connection; `None` if it has no addresses (a Unix socket).
pub(crate) fn pair_of(connected: &Connected) -> Option<Pair> {
    let mut extras = Extensions::new();
    connected.get_extras(&mut extras);
    extras.get::<HttpInfo>().map(pair)
}

impl SocketPairs {
    pub(crate) fn new() -> Self {
        Self::remembering(REMEMBERED)
    }

    fn remembering(remembered: usize) -> Self {
        let none = Generations { young: HashMap::new(), old: HashMap::new(), remembered };
        Self(Arc::new(Mutex::new(none)))
    }

    /// Adds a new connection. An earlier one with the same pair is closed.
    pub(crate) fn add(&self, pair: Pair, connection: Connection) {
        // The state of observers in a connection is dropped without the lock.
        let dropped = self.with(|sockets| (sockets.old.remove(&pair), sockets.put(pair, connection)));
        drop(dropped);
    }

    /// A new connection without a record. An earlier one with the same pair is closed.
    pub(crate) fn remove(&self, pair: Pair) {
        let dropped = self.with(|sockets| (sockets.young.remove(&pair), sockets.old.remove(&pair)));
        drop(dropped);
    }

    /// The connection with this pair, if it is remembered.
    pub(crate) fn find(&self, pair: Pair) -> Option<Connection> {
        let (found, dropped) = self.with(|sockets| {
            if let Some(found) = sockets.young.get(&pair) {
                return (Some(found.clone()), None);
            }
            let Some(found) = sockets.old.remove(&pair) else { return (None, None) };
            (Some(found.clone()), Some(sockets.put(pair, found)))
        });
        drop(dropped);
        found
    }

    /// A request may have been sent that was not observed (a redirect): forgets the connections that have served no attempt
    /// and are not reserved for the attempt that opened them, since that request may have been their first use.
    pub(crate) fn forget_unused(&self) {
        let dropped = self.with(|sockets| {
            let unused = |_: &Pair, one: &mut Connection| one.uses() == 0 && !one.is_first_use_reserved();
            let Generations { young, old, .. } = sockets;
            [young, old].map(|each| take_if(each, unused))
        });
        drop(dropped);
    }

    fn with<T>(&self, act: impl FnOnce(&mut Generations) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Generations {
    /// Returns the entries that are dropped.
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
    mut matches: impl FnMut(&Pair, &mut Connection) -> bool,
) -> Vec<Connection> {
    let pairs: Vec<_> =
        map.iter_mut().filter_map(|(pair, one)| matches(pair, one).then_some(*pair)).collect();
    pairs.iter().filter_map(|pair| map.remove(pair)).collect()
}

#[cfg(test)]
mod tests;
