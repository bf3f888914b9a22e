use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tower_service::Service;

/// A service, or any other client, that can be replaced while it is in use.
///
/// Clones share the client. A call goes to the client that was current when the service became ready; it ends there. The old
/// client is dropped when its last call has ended. A limit that both have from one [`Outbound`](crate::Outbound) holds for
/// both together: of requests in flight, and of the connections of an origin, for which idle ones of the old client close.
///
/// # Errors
/// Those of the client.
///
/// # Cancel safety
/// That of the client's future.
///
/// # Example
/// A service that follows the file of its certificates:
/// ```
/// use tower_outbound::Outbound;
/// use tower_outbound::reload::Reloadable;
///
/// # #[derive(Clone)] struct Client;
/// # impl Client { fn with_roots(_: &Outbound, _: &str) -> Result<Self, std::io::Error> { Ok(Self) } }
/// # fn run() -> Result<(), std::io::Error> {
/// let outbound = Outbound::new();
/// let clients = Reloadable::new(Client::with_roots(&outbound, "roots.pem")?);
/// // Later, on a signal: a build that fails keeps the old client.
/// if let Err(error) = clients.try_replace_with(|| Client::with_roots(&outbound, "roots.pem")) {
///     eprintln!("the old client stays: {error}");
/// }
/// # Ok(())
/// # }
/// ```
pub struct Reloadable<S> {
    current: Arc<Mutex<S>>,
    /// The service that is becoming ready, or is ready.
    ready: Option<S>,
}

impl<S> Reloadable<S> {
    /// The first client.
    pub fn new(client: S) -> Self {
        Self { current: Arc::new(Mutex::new(client)), ready: None }
    }

    /// Replaces the client. Returns the old one, which calls in flight may still use.
    pub fn replace(&self, client: S) -> S {
        std::mem::replace(&mut *self.lock(), client)
    }

    /// Replaces the client by a new one.
    ///
    /// # Errors
    /// The error of `build`; the old client stays.
    pub fn try_replace_with<E>(&self, build: impl FnOnce() -> Result<S, E>) -> Result<(), E> {
        // Without the lock: building may take long, or read files.
        let client = build()?;
        drop(self.replace(client));
        Ok(())
    }

    /// The current client: for one that is no tower service.
    #[must_use]
    pub fn current(&self) -> S
    where
        S: Clone,
    {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, S> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Clone> Clone for Reloadable<S> {
    fn clone(&self) -> Self {
        // A clone is not ready.
        Self { current: self.current.clone(), ready: None }
    }
}

impl<S, R> Service<R> for Reloadable<S>
where
    S: Service<R> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        let Self { current, ready } = self;
        let service =
            ready.get_or_insert_with(|| current.lock().unwrap_or_else(PoisonError::into_inner).clone());
        service.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> S::Future {
        // Taken: a handle that rests keeps no old client.
        let mut service = self.ready.take().unwrap_or_else(|| self.current());
        service.call(request)
    }
}

impl<S> fmt::Debug for Reloadable<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reloadable")
    }
}
