//! Which connection's own task runs on this thread: how an attempt learns its HTTP/2 connection from a client that
//! names none.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::record::{Attempt, Connection};

thread_local! {
    static DRIVEN: RefCell<Option<Connection>> = const { RefCell::new(None) };
}

pin_project! {
    /// A connection's own task, which says whose it is while it is polled: see [`Connection::drive`].
    ///
    /// # Cancel safety
    /// Dropping it drops the task inside: with hyper's connections that closes the connection.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct DriveConnection<F> {
        // Elsewhere while the task is polled.
        connection: Option<Connection>,
        #[pin]
        driver: F,
    }
}

impl Connection {
    /// Lets the attempts know their connection where the client does not name it: wraps the future that drives the
    /// connection, to be spawned in its place.
    ///
    /// hyper takes an HTTP/2 request for sending in the poll of that future, so the attempt is served by this
    /// connection from that moment on: it knows its use of it, and its failure carries it. Without it, a bare HTTP/2
    /// connection is tracked, but no attempt knows that it is served by it. HTTP/1 needs it not, and is not harmed by
    /// it: its bytes tell. What this crate offers for tonic and for hyper's connections has it inside.
    ///
    /// # Example
    /// ```
    /// use hyper::client::conn::http2;
    /// use hyper_util::rt::TokioExecutor;
    /// use tower_layer::Layer;
    /// use tower_outbound::Outbound;
    /// use tower_outbound::hyper::HyperService;
    /// use tower_service::Service;
    ///
    /// # async fn run() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    /// let outbound = Outbound::new();
    /// let io = outbound.connector(outbound.http_connector()).call("http://127.0.0.1:8080".parse()?).await?;
    /// let connection = io.connection().clone();
    /// let (sender, driver) = http2::handshake(TokioExecutor::new(), io).await?;
    /// tokio::spawn(connection.drive(driver));
    /// let service = outbound.attempt_layer().layer(HyperService::new(sender));
    /// # fn check<S: Service<http::Request<String>>>(_: S) {}
    /// # check(service);
    /// # Ok(())
    /// # }
    /// ```
    pub fn drive<F>(&self, driver: F) -> DriveConnection<F> {
        DriveConnection { connection: Some(self.clone()), driver }
    }

    /// The connection whose own task is being polled on this thread.
    pub(crate) fn driven() -> Option<Self> {
        DRIVEN.try_with(|driven| driven.borrow().clone()).ok().flatten()
    }
}

/// Gives the connection back to its future, and puts back the one that was driven before.
struct Scope<'a> {
    connection: &'a mut Option<Connection>,
    before: Option<Connection>,
}

impl<'a> Scope<'a> {
    fn enter(connection: &'a mut Option<Connection>) -> Self {
        let before = DRIVEN.try_with(|driven| driven.replace(connection.take())).ok().flatten();
        Self { connection, before }
    }
}

impl Drop for Scope<'_> {
    fn drop(&mut self) {
        let before = self.before.take();
        *self.connection = DRIVEN.try_with(|driven| driven.replace(before)).ok().flatten();
    }
}

impl<F: Future> Future for DriveConnection<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        // It may be polled by the very attempt that it sends: it is the connection's side all the same.
        let _outside = Attempt::step_out();
        let _scope = Scope::enter(this.connection);
        this.driver.poll(cx)
    }
}
