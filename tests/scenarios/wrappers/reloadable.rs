//! A client that is replaced while calls are in flight.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::Request;
use http_body_util::BodyExt as _;
use outbound_tests::gate::Gate;
use outbound_tests::server::{Script, ScriptedServer};
use tower::{Service as _, ServiceExt as _};
use tower_outbound::reload::Reloadable;

use crate::support::{Body, recorded, tcp};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Counts the clients that exist.
struct Alive(Arc<AtomicUsize>);

impl Alive {
    fn new(count: &Arc<AtomicUsize>) -> Arc<Self> {
        count.fetch_add(1, Ordering::Relaxed);
        Arc::new(Self(count.clone()))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn reloadable_call_in_flight_ends_on_old_client() {
    let gate = Gate::new();
    let held = Script::new().read_request().wait(&gate).write(OK).read_to_end();
    let [old, new] = [held, Script::answering(OK)].map(ScriptedServer::tcp);
    let (old, new) = (old.await.unwrap(), new.await.unwrap());
    let (outbound, _) = recorded();
    let alive = Arc::<AtomicUsize>::default();
    // Each client calls its own server.
    let client = |server: &ScriptedServer| {
        let (client, uri, alive) = (tcp(&outbound), server.uri("/"), Alive::new(&alive));
        tower::service_fn(move |()| {
            let (client, uri, alive) = (client.clone(), uri.clone(), alive.clone());
            async move {
                let response = client.oneshot(Request::get(uri).body(Body::default()).unwrap()).await?;
                let collected = response.into_body().collect().await;
                drop(alive);
                collected
            }
        })
    };
    let clients = Reloadable::new(client(&old));
    let mut rests = clients.clone();
    let first = clients.clone().oneshot(());
    let others = async {
        old.wait_until(|log| log.iter().any(|connection| !connection.raw.is_empty())).await;
        assert_eq!(clients.try_replace_with(|| Err("no roots")), Err("no roots"));
        drop(clients.replace(client(&new)));
        clients.clone().oneshot(()).await.unwrap();
        assert_eq!((old.accepted(), new.accepted()), (1, 1));
        assert_eq!(alive.load(Ordering::Relaxed), 2, "a call is in flight on the old one");
        gate.open();
    };
    let (first, ()) = tokio::join!(first, others);
    first.unwrap();
    assert_eq!(alive.load(Ordering::Relaxed), 1);
    rests.ready().await.unwrap().call(()).await.unwrap();
    assert_eq!((old.accepted(), new.accepted()), (1, 1), "the connection is reused");
}

#[tokio::test]
async fn reloadable_ready_service_gets_its_call() {
    let name = |name: &'static str| {
        tower::util::BoxCloneService::new(tower::service_fn(move |()| async move { Ok::<_, ()>(name) }))
    };
    let mut clients = Reloadable::new(name("old"));
    clients.ready().await.unwrap();
    drop(clients.replace(name("new")));
    assert_eq!(clients.call(()).await, Ok("old"), "the old one was ready");
    assert_eq!(clients.ready().await.unwrap().call(()).await, Ok("new"));
    assert_eq!(clients.current().oneshot(()).await, Ok("new"));
}
