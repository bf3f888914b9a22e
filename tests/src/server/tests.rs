//! The servers behind a plain client.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Response, Version};
use http_body_util::{BodyExt as _, Empty, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use super::*;
use crate::certs::Certs;
use crate::gate::Gate;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

async fn connect(server: &ScriptedServer) -> TcpStream {
    TcpStream::connect(server.address().unwrap()).await.unwrap()
}

async fn read(stream: &mut (impl AsyncRead + Unpin), count: usize) -> String {
    let mut bytes = vec![0; count];
    stream.read_exact(&mut bytes).await.unwrap();
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn scripted_server_reads_pipelined_requests_separately() {
    let gate = Gate::new();
    let script = Script::new().read_request().write(OK).wait(&gate).read_request().write("second").close();
    let server = ScriptedServer::tcp(script).await.unwrap();
    let mut stream = connect(&server).await;
    let first = "POST /a HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    let second = "POST /b HTTP/1.1\r\ncontent-length: 4\r\n\r\nbody";
    stream.write_all(format!("{first}{second}").as_bytes()).await.unwrap();

    assert_eq!(read(&mut stream, OK.len()).await, OK);
    assert_eq!(server.log()[0].requests, 1);
    assert_eq!(server.log()[0].ended, None);
    gate.open();
    let mut rest = String::new();
    stream.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, "second");

    server.wait_until(|log| log[0].ended.is_some()).await;
    let log = &server.log()[0];
    assert_eq!(log.requests, 2);
    assert_eq!(log.heads[0], "POST /a HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n");
    assert_eq!(log.heads[1], "POST /b HTTP/1.1\r\ncontent-length: 4\r\n\r\n");
    assert_eq!(log.raw, format!("{first}{second}").as_bytes());
    assert_eq!(log.peer, Some(stream.local_addr().unwrap()));
    assert_eq!(log.ended, Some(Ended::Closed));
}

#[tokio::test]
async fn scripted_server_partial_body_not_counted_as_request() {
    let came = Gate::new();
    let script = Script::new().read_head().read_exact(3).open(&came).read_to_end();
    let server = ScriptedServer::tcp(script).await.unwrap();
    let mut stream = connect(&server).await;
    stream.write_all(b"PUT / HTTP/1.1\r\ncontent-length: 9\r\n\r\nabc").await.unwrap();
    came.wait().await;
    assert_eq!(server.log()[0].heads.len(), 1);
    drop(stream);
    server.wait_until(|log| log[0].ended.is_some()).await;
    assert_eq!(server.requests(), 0);
    assert_eq!(server.log()[0].ended, Some(Ended::PeerClosed));
}

#[tokio::test]
async fn scripted_server_reset_reaches_client_on_tcp_and_duplex() {
    let script = Script::new().read_request().reset();
    let server = ScriptedServer::tcp(script.clone()).await.unwrap();
    let mut stream = connect(&server).await;
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap_err().kind(), ErrorKind::ConnectionReset);

    let (server, connector) = ScriptedServer::duplex(script);
    let mut stream = TokioIo::new(connector.connect().unwrap());
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(stream.write_u8(1).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    server.wait_until(|log| log[0].ended == Some(Ended::Reset)).await;
}

#[tokio::test]
async fn scripted_server_still_reads_after_shutdown() {
    let server = ScriptedServer::tcp(Script::new().shutdown().read_request().close()).await.unwrap();
    let mut stream = connect(&server).await;
    assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    server.wait_until(|log| log[0].requests == 1).await;
}

#[tokio::test]
async fn scripted_server_stop_ends_hanging_and_refuses_new() {
    let server = ScriptedServer::tcp(Script::new().hang()).await.unwrap();
    let mut stream = connect(&server).await;
    server.wait_until(|log| log.len() == 1).await;
    server.stop();
    assert_eq!(stream.read(&mut [0; 8]).await.unwrap(), 0);
    server.wait_until(|log| log[0].ended == Some(Ended::Stopped)).await;
    let (server, connector) = ScriptedServer::duplex(Script::new().hang());
    drop(server);
    assert_eq!(connector.connect().unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn scripted_server_last_script_serves_further_connections() {
    let server = ScriptedServer::tcp([Script::new().write("a"), Script::new().write("b")]).await.unwrap();
    for expected in ["a", "b", "b"] {
        let mut text = String::new();
        connect(&server).await.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, expected);
    }
    assert_eq!(server.accepted(), 3);
    assert_eq!(server.log().iter().map(|log| log.index).collect::<Vec<_>>(), [0, 1, 2]);
}

#[tokio::test(start_paused = true)]
async fn scripted_server_delays_are_exact_on_paused_clock() {
    let script = Script::new().read_request().sleep(Duration::from_secs(3)).write(OK).repeat();
    let (server, connector) = ScriptedServer::duplex(script);
    let connector = connector.delay(Duration::from_secs(1));
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
    let start = Instant::now();
    for seconds in [4, 7] {
        let response = client.get(server.uri("/")).await.unwrap();
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "ok");
        assert_eq!(start.elapsed(), Duration::from_secs(seconds));
    }
    assert_eq!((server.accepted(), server.requests()), (1, 2));
    assert_eq!(server.log()[0].accepted, start + Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn scripted_server_tls_handshake_is_delayed_by_script() {
    let certs = Certs::new("mail.test");
    let tls = certs.server_config(&["http/1.1"]);
    let script = Script::new().sleep(Duration::from_millis(40)).tls(tls).read_request().write(OK).repeat();
    let (server, connector) = ScriptedServer::duplex(script);
    let start = Instant::now();
    let tls = TlsConnector::from(Arc::new(certs.client_config(&["h2", "http/1.1"])));
    let stream = TokioIo::new(connector.connect().unwrap());
    let mut stream = tls.connect("mail.test".try_into().unwrap(), stream).await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_millis(40));
    for _ in 0..2 {
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        assert_eq!(read(&mut stream, OK.len()).await, OK);
    }
    assert_eq!(server.requests(), 2);
    assert_eq!(server.log()[0].alpn.as_deref(), Some("http/1.1"));
}

#[tokio::test]
async fn bad_certificate_fails_tls_handshake() {
    for (certs, name) in
        [(Certs::expired("mail.test"), "mail.test"), (Certs::only_for("mail.test"), "localhost")]
    {
        let script = Script::new().tls(certs.server_config(&[])).read_to_end();
        let server = ScriptedServer::tcp(script).await.unwrap();
        let tls = TlsConnector::from(Arc::new(certs.client_config(&[])));
        let failed = tls.connect(name.try_into().unwrap(), connect(&server).await).await.unwrap_err();
        assert!(matches!(
            failed.get_ref().and_then(|error| error.downcast_ref()),
            Some(rustls::Error::InvalidCertificate(_))
        ));
        server.wait_until(|log| matches!(log[0].ended, Some(Ended::TlsFailed(_)))).await;
    }
}

#[tokio::test]
async fn closed_port_refuses_connection() {
    let refused = TcpStream::connect(closed_port().unwrap()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}

/// Sends requests on one connection until the server closes it. Returns the number of responses and the last head.
async fn use_up(server: &LoadServer) -> (usize, String) {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let (mut served, mut last) = (0, String::new());
    loop {
        if stream.write_all(b"GET /thing HTTP/1.1\r\n\r\n").await.is_err() {
            return (served, last);
        }
        let mut answer = String::new();
        while !answer.ends_with('}') {
            let mut bytes = [0; 1024];
            match stream.read(&mut bytes).await {
                Ok(0) | Err(_) => return (served, last),
                Ok(count) => answer.push_str(std::str::from_utf8(&bytes[..count]).unwrap()),
            }
        }
        served += 1;
        let port = stream.local_addr().unwrap().port();
        assert!(answer.ends_with(&format!("{{\"peer_port\":{port},\"use_number\":{served}}}")), "{answer}");
        last = answer;
    }
}

#[tokio::test]
async fn load_server_closes_after_seeded_number_of_uses() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let server = LoadServer::builder().seed(7).uses(2..=5).start().await.unwrap();
        let mut run = Vec::new();
        for _ in 0..20 {
            let (served, last) = use_up(&server).await;
            assert!((2..=5).contains(&served), "{served}");
            run.push((served, last.contains("connection: close")));
        }
        assert_eq!(server.accepted(), 20);
        assert_eq!(server.served().len(), run.iter().map(|(served, _)| served).sum::<usize>());
        assert_eq!(server.peak(), 1);
        runs.push(run);
    }
    assert_eq!(runs[0], runs[1]);
    for value in 2..=5 {
        assert!(runs[0].iter().any(|(served, _)| *served == value), "never {value}");
    }
    assert!(runs[0].iter().any(|(_, announced)| *announced));
    assert!(runs[0].iter().any(|(_, announced)| !*announced));
}

#[tokio::test]
async fn load_server_idle_closing_serves_pipelined_request() {
    let idle = Closing::Idle(Duration::from_millis(1));
    let server = LoadServer::builder().uses(1..=1).closings([idle]).start().await.unwrap();
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(b"GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n").await.unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).await.unwrap();
    assert_eq!(answers.matches("200 OK").count(), 2);
    assert_eq!(server.served()[1].target, "/2");
}

#[tokio::test]
async fn h2_server_goaway_finishes_stream_then_client_reconnects() {
    let (came, gate) = (Gate::new(), Gate::new());
    let (here, there) = (came.clone(), gate.clone());
    let server = H2Server::builder()
        .start(move |_| {
            let (came, gate) = (here.clone(), there.clone());
            async move {
                came.open();
                gate.wait().await;
                Response::new(Full::new(Bytes::from("ok")))
            }
        })
        .await
        .unwrap();
    let client: Client<HttpConnector, Empty<Bytes>> =
        Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let first = tokio::spawn(client.get(server.uri("/")));
    came.wait().await;
    server.graceful_shutdown();
    gate.open();
    let first = first.await.unwrap().unwrap();
    assert_eq!(first.version(), Version::HTTP_2);
    assert_eq!(first.into_body().collect().await.unwrap().to_bytes(), "ok");
    client.get(server.uri("/")).await.unwrap();
    assert_eq!(server.accepted(), 2);
}

#[tokio::test]
async fn h2_server_alpn_negotiates_http2_inside_tls() {
    let certs = Certs::new("mail.test");
    let server = H2Server::builder()
        .tls(certs.server_config(&["h2"]))
        .max_concurrent_streams(1)
        .start(|_| async { Response::new(Full::new(Bytes::from("ok"))) })
        .await
        .unwrap();
    let stream = TcpStream::connect(server.address()).await.unwrap();
    let tls = TlsConnector::from(Arc::new(certs.client_config(&["h2"])));
    let stream = tls.connect("localhost".try_into().unwrap(), stream).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::get(server.uri("/")).body(Empty::<Bytes>::new()).unwrap();
    assert_eq!(sender.send_request(request).await.unwrap().status(), 200);
}
