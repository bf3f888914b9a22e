//! The task of a connection: connect, handshake, then hyper.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, OnceLock};
use std::task::Poll;

use http::{Extensions, Uri};
use http_body::Body;
use hyper::client::conn::http2;
use hyper::rt::bounds::Http2ClientConnExec;
use hyper::rt::{Read, Write};
use hyper_util::client::legacy::connect::{Connected, Connection as Connect};
use tower_service::Service;

use super::conn::{Conn, Sender};
use super::core::Core;
use super::executor::PoolExecutor;
use super::options::retires;
use super::seat::Taken;
use crate::error::{BoxError, PoolConnectError};
use crate::foreign::DriveConnection;
use crate::record::{Attempt, AttemptScope, Connection, Seat};
use crate::util::list::Key;

/// The place of a connection under the limits, from the decision to connect to the end of the last task. Its drop frees
/// the place, also after a panic and without a runtime.
pub(super) struct Place<B> {
    core: Arc<Core<B>>,
    link: Key,
    conn: OnceLock<Arc<Conn<B>>>,
    cause: OnceLock<PoolConnectError>,
    /// Under the limit of all pools of the stack.
    seat: Option<Seat>,
}

impl<B> Place<B> {
    pub(super) fn new(core: Arc<Core<B>>, link: Key) -> Self {
        Self { core, link, conn: OnceLock::new(), cause: OnceLock::new(), seat: None }
    }

    fn fail(&self, error: impl Into<BoxError>) {
        let _ = self.cause.set(PoolConnectError::new(error));
    }
}

impl<B> Drop for Place<B> {
    fn drop(&mut self) {
        if let Some(conn) = self.conn.get() {
            conn.task_ended();
        }
        let cause =
            self.cause.take().unwrap_or_else(|| PoolConnectError::new("the task of the connect has ended"));
        // Before the place: a connect that gets the place finds the seat.
        drop(self.seat.take());
        self.core.with(|state, _, deferred| state.ended(self.link, cause, deferred));
    }
}

/// Connects, and drives the connection to its end. `attempt` is the one that begins the connect.
pub(super) async fn run<C, B>(connector: C, uri: Uri, attempt: Option<Attempt>, mut place: Place<B>)
where
    C: Service<Uri>,
    C::Response: Read + Write + Connect + Unpin + Send + 'static,
    C::Error: Into<BoxError>,
    B: Body + Unpin + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let mut attempt = attempt;
    match place.core.take_seat(&uri) {
        Taken::Seat(seat) => place.seat = seat,
        // Boxed: it is rare.
        Taken::Full(registry, origin) => {
            let waiting = Box::pin(place.core.clone().wait_for_seat(registry, origin));
            let Some(seat) = waiting.await else { return place.fail("the client has gone") };
            place.seat = Some(seat);
            // Served meanwhile by another connection: the connect is nobody's.
            attempt = attempt.filter(|attempt| !attempt.is_ended());
        }
    }
    // Boxed, as what drives the connection is below: a connection keeps no memory for what it does not do any more.
    match Box::pin(connect(connector, uri, attempt)).await {
        Ok(io) => open(io, place).await,
        Err(error) => place.fail(error),
    }
}

/// The connector ends with the connect: as long as a clone of it exists, the layers take the client for alive.
async fn connect<C>(mut connector: C, uri: Uri, attempt: Option<Attempt>) -> Result<C::Response, BoxError>
where
    C: Service<Uri>,
    C::Error: Into<BoxError>,
{
    // The connector finds the attempt that it connects for.
    let enter = || attempt.as_ref().map(AttemptScope::enter);
    let ready = poll_fn(|cx| {
        let _scope = enter();
        connector.poll_ready(cx)
    });
    ready.await.map_err(Into::into)?;
    let connecting = {
        let _scope = enter();
        connector.call(uri)
    };
    drop((connector, attempt));
    connecting.await.map_err(Into::into)
}

async fn open<T, B>(io: T, place: Place<B>)
where
    T: Read + Write + Connect + Unpin + Send + 'static,
    B: Body + Unpin + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let connected = io.connected();
    if place.core.options.http2_only || connected.is_negotiated_h2() {
        let place = Arc::new(place);
        match open_http2(io, &place).await {
            Ok((sender, driver)) => match record(&connected) {
                Some(record) => {
                    let driver = record.drive(driver);
                    let streams = |driver: &DriveConnection<Driver<_>>| allowed(driver.get_ref());
                    drive(&place, connected, sender, driver, streams).await;
                }
                None => drive(&place, connected, sender, driver, |driver| allowed(driver)).await,
            },
            Err(error) => place.fail(error),
        }
    } else {
        match open_http1(io, &place).await {
            Ok((sender, driver)) => drive(&place, connected, sender, driver, |_| None).await,
            Err(error) => place.fail(error),
        }
    }
}

/// What drives a connection.
type Driver<F> = Pin<Box<F>>;

async fn open_http1<T, B>(
    io: T,
    place: &Place<B>,
) -> hyper::Result<(Sender<B>, Driver<impl Future<Output = hyper::Result<()>> + use<T, B>>)>
where
    T: Read + Write + Unpin + Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let (sender, driver) = place.core.options.http1.handshake(io).await?;
    Ok((Sender::Http1(sender), Box::pin(driver.with_upgrades())))
}

async fn open_http2<T, B>(
    io: T,
    place: &Arc<Place<B>>,
) -> hyper::Result<(Sender<B>, Driver<http2::Connection<T, B, PoolExecutor>>)>
where
    T: Read + Write + Unpin + Send + 'static,
    B: Body + Unpin + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let keep_alive = place.core.settings().keep_alive;
    let http2 = place.core.options.http2(keep_alive, PoolExecutor::new(place.clone()));
    let (sender, driver) = http2.handshake(io).await?;
    Ok((Sender::Http2(sender), Box::pin(driver)))
}

/// The most streams that the peer allows.
fn allowed<T, B, E>(driver: &http2::Connection<T, B, E>) -> Option<usize>
where
    T: Read + Write + Unpin + 'static,
    B: Body + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
    E: Http2ClientConnExec<B, T> + Unpin,
{
    Some(driver.current_max_send_streams())
}

fn record(connected: &Connected) -> Option<Connection> {
    let mut extras = Extensions::new();
    connected.get_extras(&mut extras);
    extras.remove()
}

/// Drives a connection to its end. On HTTP/1 the first poll comes before any request: what is dead by then serves none.
///
/// `streams` is how many the peer allows; `None` on HTTP/1.
async fn drive<B: Send + 'static, F: Future<Output = hyper::Result<()>>>(
    place: &Place<B>,
    connected: Connected,
    sender: Sender<B>,
    driver: F,
    streams: impl Fn(&F) -> Option<usize>,
) {
    let mut driver = pin!(driver);
    let allowed = streams(driver.as_ref().get_ref());
    if allowed.is_none() {
        let first = poll_fn(|cx| Poll::Ready(driver.as_mut().poll(cx))).await;
        if let Poll::Ready(result) = first {
            let closed = || BoxError::from("the peer has closed the connection");
            return place.fail(result.err().map_or_else(closed, Into::into));
        }
    }
    let conn = Arc::new(Conn::new(place.core.clone(), place.link, connected, sender, allowed));
    let _ = place.conn.set(conn.clone());
    conn.announce();
    place.core.start_reaper();
    place.core.with(|state, now, deferred| {
        let now = now();
        let retires = retires(place.core.settings().max_age, now);
        state.connected(place.link, conn.clone(), retires, now, deferred);
    });
    // The error goes to the request on the connection too.
    poll_fn(|cx| {
        conn.set_task(cx);
        Poll::Ready(())
    })
    .await;
    let ended = poll_fn(|cx| {
        let polling = conn.begin_poll();
        let polled = driver.as_mut().poll(cx);
        drop(polling);
        if polled.is_pending() {
            conn.polled(streams(driver.as_ref().get_ref()));
        }
        polled
    });
    if let Err(error) = ended.await {
        conn.failed(error);
    }
}
