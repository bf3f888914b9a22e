//! The connector below TLS: TCP, a connector that fails, or one that is never ready.

use std::future::ready;
use std::io;
use std::task::{Context, Poll};

use futures_util::TryFutureExt as _;
use futures_util::future::BoxFuture;
use http::Uri;
use tower::{Service, service_fn};
use tower_layer::Layer as _;
use tower_outbound::BoxError;
use tower_outbound::connect::{PhaseLayer, TcpConnector, TcpIo};

#[derive(Clone)]
pub(crate) enum Dial {
    Tcp(TcpConnector),
    /// Fails in phase `tcp` with this error.
    Failing(fn() -> io::Error),
    NeverReady,
}

impl From<TcpConnector> for Dial {
    fn from(tcp: TcpConnector) -> Dial {
        Dial::Tcp(tcp)
    }
}

impl Service<Uri> for Dial {
    type Response = TcpIo;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        match self {
            Dial::Tcp(tcp) => tcp.poll_ready(cx).map_err(Into::into),
            Dial::Failing(_) => Poll::Ready(Ok(())),
            Dial::NeverReady => Poll::Pending,
        }
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        match self {
            Dial::Tcp(tcp) => Box::pin(tcp.call(uri).err_into()),
            Dial::Failing(error) => {
                let error = *error;
                let fails = service_fn(move |_: Uri| ready(Err::<TcpIo, _>(error())));
                Box::pin(PhaseLayer::tcp().layer(fails).call(uri).err_into())
            }
            Dial::NeverReady => unreachable!("it is never ready"),
        }
    }
}
