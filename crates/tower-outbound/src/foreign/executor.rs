//! An executor that knows which connection the tasks of a client drive.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};

use hyper::rt::Executor;

use super::drive::driven_connection;
use super::upload::UploadTask;
use crate::record::Connection;

/// A task of hyper-util's client.
type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// For each HTTP/2 connection hyper spawns a task for the IO, then its user one for the requests.
const TASKS: u8 = 2;

thread_local! {
    /// The connection that has just written its preface on this thread. Its tasks are spawned before anything else.
    static BEGUN: RefCell<Option<Begun>> = const { RefCell::new(None) };
}

struct Begun {
    connection: Connection,
    executor: ExecutorId,
    tasks: u8,
}

/// Distinguishes executors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ExecutorId(u64);

/// Spawns the tasks of a client such as hyper-util's, those of an HTTP/2 connection within
/// [`Connection::drive`](crate::Connection::drive).
///
/// Give clones of one executor to the client and, by
/// [`TrackLayer::executor`](crate::connect::TrackLayer::executor), to its connector. Then each attempt knows its HTTP/2
/// connection and its stream from the moment that the connection accepts it: a wait for a stream is exactly that of the
/// attempt, and [`Use::number`](crate::connect::Use::number) is that of its stream. An upload that waits for the peer's
/// window ends a second after its attempt, also if the caller drops the response before its end.
/// [`OutboundClient`](crate::OutboundClient) and the channel of tonic already do this. Without it, an attempt learns its
/// connection from its response, and is taken to wait for a stream until the connection has opened one after it accepted
/// the request, and such an upload keeps its stream until the connection closes.
///
/// # Example
/// ```
/// use hyper_util::client::legacy::Client;
/// use hyper_util::rt::TokioExecutor;
/// use tower_layer::Layer;
/// use tower_outbound::Outbound;
/// use tower_outbound::hyper::DriveExecutor;
///
/// let outbound = Outbound::new();
/// let executor = DriveExecutor::new(TokioExecutor::new());
/// let connector = outbound.track_layer().executor(&executor).layer(outbound.http_connector());
/// let client = Client::builder(executor).http2_only(true).retry_canceled_requests(false).build(connector);
/// let service = outbound.layer().layer(client);
/// # fn check<S: tower_service::Service<http::Request<String>>>(_: S) {}
/// # check(service);
/// ```
#[derive(Clone, Debug)]
pub struct DriveExecutor<E> {
    inner: E,
    id: ExecutorId,
}

impl<E> DriveExecutor<E> {
    /// Spawns tasks on `inner`.
    pub fn new(inner: E) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self { inner, id: ExecutorId(NEXT.fetch_add(1, Ordering::Relaxed)) }
    }

    pub(crate) fn id(&self) -> ExecutorId {
        self.id
    }

    /// The connection whose task is being spawned.
    fn begun(&self) -> Option<Connection> {
        BEGUN
            .try_with(|begun| {
                let mut begun = begun.borrow_mut();
                let of_this = begun.as_mut().filter(|begun| begun.executor == self.id)?;
                let connection = of_this.connection.clone();
                of_this.tasks -= 1;
                if of_this.tasks == 0 {
                    *begun = None;
                }
                Some(connection)
            })
            .ok()
            .flatten()
    }
}

impl<E: Executor<Task>> Executor<Task> for DriveExecutor<E> {
    fn execute(&self, task: Task) {
        // A task that an older connection spawns for a stream is not one of the two.
        if driven_connection().is_some() {
            return self.inner.execute(UploadTask::boxed(task));
        }
        match self.begun() {
            Some(connection) => self.inner.execute(Box::pin(connection.drive(task))),
            None => self.inner.execute(task),
        }
    }
}

/// The HTTP/2 connection has written its preface: hyper spawns its tasks next, on this executor.
pub(crate) fn announce_tasks(connection: &Connection, executor: ExecutorId) {
    let begun = Begun { connection: connection.clone(), executor, tasks: TASKS };
    let _ = BEGUN.try_with(|cell| cell.replace(Some(begun)));
}
