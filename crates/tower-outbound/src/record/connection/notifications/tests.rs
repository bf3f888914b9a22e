use std::sync::{Arc, Mutex};

use http::{Method, Uri};
use tokio::time::Instant;

use super::*;
use crate::event::ObserversBuilder;
use crate::record::{AttemptStart, IoEnd, Protocol, Registry, Setup, UseEvidence};
use crate::settings::StackSettings;

#[tokio::test]
async fn association_reported_before_close_and_never_after() {
    for closes_first in [false, true] {
        let names = Arc::new(Mutex::new(Vec::new()));
        let seen = names.clone();
        let mut observers = ObserversBuilder::default();
        observers.push(move |event: &Event<'_>| {
            seen.lock().unwrap().push(match event {
                Event::ConnectionAssigned { .. } => "assigned",
                Event::ConnectionClosed { .. } => "closed",
                _ => return,
            });
        });
        let registry = Registry::new(observers.build(), StackSettings::default());
        let uri = Uri::from_static("http://peer.test/");
        let origin = registry.origin(&uri);
        let attempt = AttemptStart {
            registry: registry.clone(),
            origin: origin.clone(),
            method: Method::GET,
            uri: &uri,
            template: None,
            call: None,
            asks_close: false,
            is_grpc: false,
        }
        .start();
        let (setup, at) = (Setup::start(origin, None, registry.observers().clone()), Instant::now());
        let connection = Connection::open(&registry, setup, None, None, Some(Protocol::Http2), 0, at);
        attempt.0.serving().unreported += 1;

        // Between the two steps of an association no lock is held.
        let (usage, _) = connection.begin_use(&attempt, at, UseEvidence::Named);
        if closes_first {
            connection.io().closed(IoEnd::default(), 0, at);
        }
        connection.report_association(&attempt, usage);
        connection.io().closed(IoEnd::default(), 0, at);

        let expected: &[_] = if closes_first { &["closed"] } else { &["assigned", "closed"] };
        assert_eq!(*names.lock().unwrap(), expected);
        assert_eq!(attempt.0.serving().unreported, 0, "the end of the attempt does not wait");
    }
}
