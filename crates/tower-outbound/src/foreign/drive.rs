//! Which connection's own task runs on this thread: how an attempt finds its HTTP/2 connection if the client does not name
//! the connection.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::record::{Attempt, AttemptScope, Connection};

thread_local! {
    static DRIVEN: RefCell<Option<Driven>> = const { RefCell::new(None) };
}

struct Driven {
    connection: Connection,
    /// The attempt whose request body the connection has begun to poll last, and has not dropped.
    upload: Option<Attempt>,
}

pin_project! {
    /// The future that drives a connection, wrapped by [`Connection::drive`].
    ///
    /// # Cancel safety
    /// Dropping this future drops the one inside. A hyper connection closes.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct DriveConnection<F> {
        // In the thread-local while the future is polled.
        connection: Option<Connection>,
        #[pin]
        driver: F,
    }
}

impl<F> DriveConnection<F> {
    pub(crate) const fn get_ref(&self) -> &F {
        &self.driver
    }
}

impl Connection {
    /// Wraps the future that drives the connection, so that attempts find their HTTP/2 connection if the client does not name
    /// it. Spawn the returned future instead.
    ///
    /// hyper accepts an HTTP/2 request in a poll of that future. From then on the attempt has this connection:
    /// [`Attempt::connection`](crate::Attempt::connection) returns it, also after a failure. Without the wrapper, a bare
    /// HTTP/2 connection is tracked, but its attempts have no connection. Not needed for HTTP/1 (the attempt is found from
    /// the connection's writes), but harmless. [`hyper::HandshakeLayer`](crate::hyper) and the tonic channel of this crate
    /// already do this.
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
}

/// The connection whose own task is being polled on this thread.
pub(crate) fn driven_connection() -> Option<Connection> {
    DRIVEN.try_with(|driven| driven.borrow().as_ref().map(|driven| driven.connection.clone())).ok().flatten()
}

/// The body of the attempt's request is polled for the first time, maybe by the task of an HTTP/2 connection.
pub(super) fn body_polled(attempt: &Attempt) {
    let _ = DRIVEN.try_with(|driven| {
        let mut driven = driven.borrow_mut();
        let http2 = driven.as_mut().filter(|driven| driven.connection.is_http2());
        let before = http2.and_then(|driven| driven.upload.replace(attempt.clone()));
        // Without the borrow: observers may see the end of what is dropped.
        (drop(driven), drop(before))
    });
}

/// The body of the attempt's request was dropped.
pub(super) fn body_dropped(attempt: &Attempt) {
    let _ = DRIVEN.try_with(|driven| {
        let mut driven = driven.borrow_mut();
        let upload = driven.as_mut().map(|driven| &mut driven.upload);
        let upload = upload.and_then(|upload| upload.take_if(|upload| upload.id() == attempt.id()));
        (drop(driven), drop(upload))
    });
}

/// The attempt whose request body the task that is being polled on this thread goes on to send in a task of its own.
pub(super) fn take_upload() -> Option<Attempt> {
    DRIVEN.try_with(|driven| driven.borrow_mut().as_mut()?.upload.take()).ok().flatten()
}

/// Returns the connection to its future when dropped, and restores the one before.
struct DriveScope<'a> {
    connection: &'a mut Option<Connection>,
    before: Option<Driven>,
}

impl<'a> DriveScope<'a> {
    fn enter(connection: &'a mut Option<Connection>) -> Self {
        let this = connection.take().map(|connection| Driven { connection, upload: None });
        let before = DRIVEN.try_with(|driven| driven.replace(this)).ok().flatten();
        Self { connection, before }
    }
}

impl Drop for DriveScope<'_> {
    fn drop(&mut self) {
        let before = self.before.take();
        let this = DRIVEN.try_with(|driven| driven.replace(before)).ok().flatten();
        *self.connection = this.map(|driven| driven.connection);
    }
}

impl<F: Future> Future for DriveConnection<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        // An attempt may poll this future itself. What runs here is the connection's side all the same.
        let _outside = AttemptScope::outside();
        let _scope = DriveScope::enter(this.connection);
        this.driver.poll(cx)
    }
}
