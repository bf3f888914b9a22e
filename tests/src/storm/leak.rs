//! Errors planted on purpose: the test of the counts.

use std::convert::Infallible;
use std::future::{pending, ready};

use http::{Request, Response, Uri};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tower::Layer as _;
use tower_outbound::Outbound;
use tower_service::Service as _;

use super::peers::Addresses;
use crate::server::{Script, ScriptedServer};

/// What a storm leaks on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leak {
    /// A slot of the in-flight limit.
    Permit,
    /// A socket of the client's side.
    Socket,
    /// A task.
    Task,
    /// A connection that the gauges count for ever, without a socket.
    Gauge,
    /// A call to a peer that stalls, without a timeout.
    Call,
}

impl Leak {
    /// Leaks it. [`Leak::Call`] is planned instead.
    pub(super) fn plant(self, outbound: &Outbound, runtime: &Handle, peers: &Addresses) {
        let address = peers.http1;
        match self {
            Leak::Call => {}
            Leak::Task => drop(runtime.spawn(pending::<()>())),
            Leak::Socket => std::mem::forget(runtime.block_on(TcpStream::connect(address))),
            Leak::Permit => {
                let answer =
                    |_: Request<String>| ready(Ok::<_, Infallible>(Response::new(String::from("x"))));
                let mut limited = outbound.in_flight_limit_layer().layer(tower::service_fn(answer));
                let mut request = Request::new(String::new());
                *request.uri_mut() = format!("http://{address}/").parse().expect("a URI");
                let response = runtime.block_on(async {
                    std::future::poll_fn(|cx| limited.poll_ready(cx)).await?;
                    limited.call(request).await
                });
                std::mem::forget(response);
            }
            Leak::Gauge => {
                let _inside = runtime.enter();
                let (_server, connector) = ScriptedServer::duplex(Script::new());
                let connecting = outbound.connector(connector).call(Uri::from_static("http://peer.test/"));
                std::mem::forget(runtime.block_on(connecting));
            }
        }
    }
}
