//! Starts the servers of the gateway and the twin, and stops them.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::serve::ListenerExt as _;
use opentelemetry_sdk::trace::SdkTracer;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tower_outbound::OutboundClient;
use tower_outbound_page::PageService;

use crate::rpc::twin_client::TwinClient;
use crate::service::Side;
use crate::{service, twin, upstream};

/// How long each server waits for its requests when it stops.
const GRACE: Duration = Duration::from_secs(1);

/// The servers of both services.
pub(crate) struct Servers {
    pub(crate) gateway: SocketAddr,
    pub(crate) twin: SocketAddr,
    running: [Running; 2],
}

/// A server that stops when the sender is dropped.
type Running = (watch::Sender<()>, JoinHandle<()>);

/// What the twin calls its upstreams with.
pub(crate) struct OfTwin {
    pub(crate) client: OutboundClient,
    pub(crate) prices: SocketAddr,
    pub(crate) tracer: SdkTracer,
}

impl Servers {
    /// The HTTP upstream of the twin is the first of `sides`.
    pub(crate) async fn start(
        listener: TcpListener,
        client: &OutboundClient,
        sides: &[Side],
        twin: OfTwin,
        page: PageService,
    ) -> io::Result<Servers> {
        let below = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let (gateway, twin_address) = (listener.local_addr()?, below.local_addr()?);
        let (stop_twin, stopped) = watch::channel(());
        let below = twin::serve(below, twin, &sides[0].1, ended(stopped));

        let twin = TwinClient::new(client.outbound().tonic(upstream::uri(twin_address)).connect_lazy());
        let router = service::router(client.clone(), sides, twin).route_service(service::PAGE, page);
        let listener = listener.tap_io(|tcp| {
            // With Nagle's algorithm, small responses wait for the caller's delayed acknowledgement.
            let _ = tcp.set_nodelay(true);
        });
        let (stop, stopped) = watch::channel(());
        let server = axum::serve(listener, router).with_graceful_shutdown(ended(stopped));
        let server = tokio::spawn(async move {
            let _ = server.await;
        });
        Ok(Servers { gateway, twin: twin_address, running: [(stop, server), (stop_twin, below)] })
    }

    /// Stops accepting, and waits for the requests, so that their spans have ended.
    pub(crate) async fn stop(self) {
        // The gateway first: its requests need the twin.
        for (stop, server) in self.running {
            drop(stop);
            let _ = timeout(GRACE, server).await;
        }
    }
}

async fn ended(mut stopped: watch::Receiver<()>) {
    // Fails when the sender is dropped.
    let _ = stopped.changed().await;
}
