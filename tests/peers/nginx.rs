//! nginx as the server.

use std::time::Duration;

use outbound_tests::peers::Nginx;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Two requests on one plain TCP connection.
pub(crate) async fn answers() {
    let nginx = Nginx::start("location / { return 200 'hello'; }").await.unwrap();
    let mut stream = TcpStream::connect(nginx.address()).await.unwrap();
    let port = stream.local_addr().unwrap().port();
    let requests =
        "GET /a HTTP/1.1\r\nhost: a\r\n\r\nGET /b HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    stream.write_all(requests.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nhello"), "{answer}");

    drop(stream);
    let accesses = nginx.accesses(2, Duration::from_secs(5)).await;
    let seen: Vec<_> = accesses.iter().map(|access| (access.uses, access.request.as_str())).collect();
    assert_eq!(seen, [(1, "GET /a HTTP/1.1"), (2, "GET /b HTTP/1.1")]);
    assert!(accesses.iter().all(|access| access.peer_port == port && access.status == 200), "{accesses:?}");
}
