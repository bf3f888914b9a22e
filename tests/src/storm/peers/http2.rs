//! A peer that speaks HTTP/2.

use std::io;
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use fastrand::Rng;
use h2::server::{Connection, SendResponse};
use h2::{Reason, RecvStream, SendStream};
use http::{Request, Response};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::Shared;
use crate::storm::Act;

const LARGE: usize = 256 << 10;

/// How a connection ends.
#[derive(Clone, Copy, Debug)]
enum Ending {
    Fin,
    Reset,
    GoAway,
    HalfClose,
    /// The peer reads nothing any more.
    Deaf,
}

pub(super) async fn serve(tcp: TcpStream, mut random: Rng, shared: &Arc<Shared>) -> io::Result<()> {
    let tcp = Arc::new(tcp);
    let io = SharedTcp(Arc::clone(&tcp));
    let mut shut = shared.shut.subscribe();
    // There is no request before the handshake.
    let idle = shared.idle();
    let handshake = h2::server::handshake(io);
    let mut connection = tokio::select! {
        connection = handshake => connection.map_err(io::Error::other)?,
        _ = shut.changed() => return Ok(()),
    };
    let (end, mut ends) = mpsc::unbounded_channel();
    let ending = loop {
        tokio::select! {
            accepted = connection.accept() => match accepted {
                Some(Ok((request, respond))) => drop(tokio::spawn(answer(request, respond, end.clone(), Arc::clone(shared)))),
                Some(Err(_)) | None => return Ok(()),
            },
            Some(ending) = ends.recv() => match ending {
                Ending::GoAway => connection.graceful_shutdown(),
                ending => break ending,
            },
            _ = shut.changed() => break *random.choice(&[Ending::Fin, Ending::Reset]).unwrap_or(&Ending::Fin),
        }
    };
    // A connection that is held is not idle, and one that ends is idle until it is closed.
    let idle = matches!(ending, Ending::Fin | Ending::Reset).then_some(idle);
    let played = play(ending, connection, tcp, shared).await;
    drop(idle);
    played
}

async fn play(
    ending: Ending,
    connection: Connection<SharedTcp, Bytes>,
    tcp: Arc<TcpStream>,
    shared: &Shared,
) -> io::Result<()> {
    match ending {
        Ending::Fin | Ending::GoAway => {}
        Ending::Reset => tcp.set_zero_linger()?,
        Ending::HalfClose => {
            drop(connection);
            SockRef::from(&*tcp).shutdown(Shutdown::Write)?;
            let mut tcp = SharedTcp(tcp);
            let mut sink = tokio::io::sink();
            tokio::select! {
                _ = tokio::io::copy(&mut tcp, &mut sink) => {}
                () = shared.held.wait() => {}
            }
        }
        Ending::Deaf => {
            shared.held.wait().await;
            drop(connection);
        }
    }
    Ok(())
}

/// Acts on one stream.
async fn answer(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    end: mpsc::UnboundedSender<Ending>,
    shared: Arc<Shared>,
) {
    let act = Act::named(request.uri().path().trim_start_matches('/')).unwrap_or(Act::Answer);
    let mut upload = request.into_body();
    let amid = matches!(act, Act::Reset | Act::HalfClose | Act::ResetStream | Act::Refuse | Act::AnswerEarly);
    if !amid && act != Act::TakeNothing && read(&mut upload).await.is_err() {
        return;
    }
    // The connection may be gone at any step.
    let _ = match act {
        Act::Answer | Act::Accept => respond_with(&mut respond, Bytes::from_static(b"ok"), true).map(drop),
        Act::Large => respond_with(&mut respond, vec![b'x'; LARGE].into(), true).map(drop),
        Act::Close => {
            let _ = end.send(Ending::GoAway);
            respond_with(&mut respond, Bytes::from_static(b"ok"), true).map(drop)
        }
        Act::Leave => {
            let answered = respond_with(&mut respond, Bytes::from_static(b"ok"), true);
            let _ = end.send(Ending::Fin);
            answered.map(drop)
        }
        Act::Fin => end.send(Ending::Fin).map_err(|_| gone()),
        Act::Reset => end.send(Ending::Reset).map_err(|_| gone()),
        Act::HalfClose => end.send(Ending::HalfClose).map_err(|_| gone()),
        Act::TakeNothing => end.send(Ending::Deaf).map_err(|_| gone()),
        Act::FinMidBody | Act::ResetMidBody => {
            let part = respond_with(&mut respond, Bytes::from_static(b"half"), false);
            let _ = end.send(if act == Act::FinMidBody { Ending::Fin } else { Ending::Reset });
            part.map(drop)
        }
        Act::ResetStream => {
            respond.send_reset(Reason::INTERNAL_ERROR);
            Ok(())
        }
        Act::Refuse => {
            respond.send_reset(Reason::REFUSED_STREAM);
            Ok(())
        }
        Act::Stall => hold(|cx| respond.poll_reset(cx), &shared).await,
        Act::StallMidBody => match respond_with(&mut respond, Bytes::from_static(b"half"), false) {
            Ok(mut part) => hold(|cx| part.poll_reset(cx), &shared).await,
            Err(error) => Err(error),
        },
        Act::AnswerEarly => {
            let answered = respond_with(&mut respond, Bytes::from_static(b"ok"), true);
            tokio::select! {
                _ = read(&mut upload) => {}
                () = shared.held.wait() => {}
            }
            answered.map(drop)
        }
    };
}

fn gone() -> h2::Error {
    Reason::CANCEL.into()
}

fn respond_with(
    respond: &mut SendResponse<Bytes>,
    data: Bytes,
    whole: bool,
) -> Result<SendStream<Bytes>, h2::Error> {
    let mut stream = respond.send_response(Response::new(()), false)?;
    stream.send_data(data, whole)?;
    Ok(stream)
}

/// Reads the upload to its end.
async fn read(upload: &mut RecvStream) -> Result<(), h2::Error> {
    while let Some(data) = upload.data().await {
        let _ = upload.flow_control().release_capacity(data?.len());
    }
    Ok(())
}

/// Waits until the client resets the stream.
async fn hold(
    mut reset: impl FnMut(&mut Context<'_>) -> Poll<Result<Reason, h2::Error>>,
    shared: &Shared,
) -> Result<(), h2::Error> {
    tokio::select! {
        reset = std::future::poll_fn(|cx| reset(cx)) => reset.map(drop),
        () = shared.held.wait() => Ok(()),
    }
}

/// A socket that is still at hand while h2 has it.
struct SharedTcp(Arc<TcpStream>);

impl AsyncRead for SharedTcp {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.0.poll_read_ready(cx))?;
            match self.0.try_read(buf.initialize_unfilled()) {
                Ok(count) => {
                    buf.advance(count);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for SharedTcp {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.0.poll_write_ready(cx))?;
            match self.0.try_write(buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(SockRef::from(&*self.0).shutdown(Shutdown::Write))
    }
}
