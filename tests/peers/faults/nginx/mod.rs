//! nginx as the server.

mod ends;
mod messages;
mod streams;
mod time;
mod tls;

use outbound_tests::certs::Certs;
use outbound_tests::peers::{NGINX, Nginx, NginxConfig};

use super::caller::{Caller, Options, Reported, empty, until};
use super::http::Http;
use outbound_tests::peers::checks::Check;

pub(crate) fn checks() -> Vec<Check> {
    let mut checks = ends::checks();
    checks.extend(messages::checks());
    checks.extend(streams::checks());
    checks.extend(time::checks());
    checks.extend(tls::checks());
    checks
}

pub(crate) async fn a_wrong_row_is_found_out() {
    let nginx = Nginx::start("location / { return 444; }").await.unwrap();
    let caller = Caller::plain(Http::One);
    let reported = caller.get(&format!("http://{}/", nginx.address()).parse().unwrap()).await;
    super::assert_wrong_rows_detected(&reported, "fin-after-request");
}

/// An nginx, and a client for it.
struct Pair {
    nginx: Nginx,
    caller: Caller,
    scheme: &'static str,
}

impl Pair {
    async fn start(http: Http, tls: bool, server: &str, options: Options) -> Pair {
        Pair::start_config(http, tls, Nginx::config(server), options).await
    }

    async fn start_config(http: Http, tls: bool, config: NginxConfig, options: Options) -> Pair {
        let config = if http == Http::Two { config.listen("http2") } else { config };
        if !tls {
            let nginx = config.start().await.unwrap();
            return Pair { nginx, caller: Caller::new(http, options), scheme: "http" };
        }
        let certs = Certs::new("nginx.test");
        let nginx = config.tls(&certs).start().await.unwrap();
        let options = Options { tls: Some(certs.client_config(&[])), ..options };
        Pair { nginx, caller: Caller::new(http, options), scheme: "https" }
    }

    fn uri(&self, path: &str) -> http::Uri {
        format!("{}://{}{path}", self.scheme, self.nginx.address()).parse().unwrap()
    }

    /// Sends the request before the one that meets the fault.
    async fn warm(&self) {
        let reported = self.caller.get(&self.uri("/warm")).await;
        assert_eq!((reported.status, reported.failure), (Some(200), None));
    }

    /// Compares nginx's log, once nginx has ended: `logged` says whether it must have this path.
    async fn end(mut self, reported: &Reported, path: &str, logged: bool) {
        self.caller.close().await;
        self.nginx.daemon().end().await.unwrap();
        let found = self.nginx.log().iter().any(|access| access.request.contains(path));
        reported.logged(found, logged);
    }
}

/// Pauses nginx until so many bytes are written, so that it reads them all at once.
async fn paused<T>(pair: &mut Pair, bytes: u64, send: impl AsyncFnOnce(&Caller) -> T) -> T {
    let (caller, daemon) = (&pair.caller, pair.nginx.daemon());
    let written = caller.written() + bytes;
    daemon.pause().await.unwrap();
    let resume = async {
        until(|| caller.written() >= written).await;
        daemon.resume().unwrap();
    };
    tokio::join!(send(caller), resume).0
}

/// A request that is longer than the preface of a connection.
async fn long(caller: &Caller, uri: &http::Uri) -> Reported {
    caller.send(http::Request::get(uri).header("x-pad", "0".repeat(1_000)).body(empty()).unwrap()).await
}

/// The lower bound of its bytes on the wire.
const LONG: u64 = 600;

/// Each HTTP version, over TCP and over TLS.
fn ways() -> impl Iterator<Item = (Http, bool)> {
    Http::BOTH.into_iter().flat_map(|http| [(http, false), (http, true)])
}

const PEER: outbound_tests::peers::Peer = NGINX;
