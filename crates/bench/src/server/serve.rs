//! The server's process.

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use super::addresses::Addresses;
use super::answers::Answers;
use super::{certificate, http2, lean, receiver};
use crate::Fallible;
use crate::core;
use crate::load::json;

/// Prints the addresses as JSON, and serves until the standard input ends.
pub(crate) fn serve() -> Fallible<()> {
    core::stay_on(1)?;
    // The process ends with the one that started it.
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        println!("{}", serde_json::to_string(&start().await?)?);
        std::future::pending().await
    })
}

async fn start() -> Fallible<Addresses> {
    let (answers, body) = (Answers::new(), json(1 << 10));
    let (acceptor, certificate) = certificate::acceptor()?;
    let spans = Arc::new(AtomicU64::new(0));
    let (plain, over_tls) = (answers.clone(), answers);
    let (to_receive, by_http, to_tell) = (spans.clone(), spans.clone(), spans);
    Ok(Addresses {
        plain: listen(move |io| {
            let answers = plain.clone();
            async move { drop(lean::serve(io, answers).await) }
        })
        .await?,
        tls: listen(move |io| {
            let (acceptor, answers) = (acceptor.clone(), over_tls.clone());
            async move {
                if let Ok(io) = acceptor.accept(io).await {
                    drop(lean::serve(io, answers).await);
                }
            }
        })
        .await?,
        h2: listen(move |io| {
            let body = body.clone();
            async move { drop(http2::serve(io, body).await) }
        })
        .await?,
        receiver: listen(move |io| {
            let spans = to_receive.clone();
            async move { drop(receiver::serve(io, spans).await) }
        })
        .await?,
        http_receiver: listen(move |io| {
            let spans = by_http.clone();
            async move { drop(receiver::serve_http(io, spans).await) }
        })
        .await?,
        received: listen(move |mut io| {
            let spans = to_tell.load(Relaxed).to_string();
            async move { drop(io.write_all(spans.as_bytes()).await) }
        })
        .await?,
        certificate,
    })
}

/// Serves each connection of a new listener in a task of its own.
async fn listen<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> std::io::Result<SocketAddr>
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        loop {
            let Ok((io, _)) = listener.accept().await else { continue };
            let _ = io.set_nodelay(true);
            tokio::spawn(serve(io));
        }
    });
    Ok(address)
}
