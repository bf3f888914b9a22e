//! The live page in a browser, beside the connections of the client and the log of the peer.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use axum::Router;
use http::Uri;
use http_body_util::BodyExt as _;
use outbound_tests::peers::CHROMIUM;
use outbound_tests::server::{Closing, LoadServer, Served};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::{JoinSet, spawn_blocking};
use tower_outbound::{Outbound, OutboundClient};
use tower_outbound_page::Page;

/// A client, its peer and its page.
struct Rig {
    client: OutboundClient,
    peer: LoadServer,
    page: Uri,
}

impl Rig {
    async fn start() -> Self {
        let peer = LoadServer::builder().closings([Closing::Announced]).start().await.unwrap();
        let page = Page::new();
        let outbound = Outbound::builder().observer(page.clone()).build();
        let app = Router::new().route_service("/debug/outbound", page.service(&outbound));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let page = format!("http://{}/debug/outbound", listener.local_addr().unwrap()).parse().unwrap();
        tokio::spawn(async { axum::serve(listener, app).await });
        Self { client: outbound.client(), peer, page }
    }

    /// Sends requests from so many tasks at a time.
    async fn load(&self, tasks: usize, requests_each: usize) {
        let mut load = JoinSet::new();
        for _ in 0..tasks {
            let (client, uri) = (self.client.clone(), self.peer.uri("/"));
            load.spawn(async move {
                for _ in 0..requests_each {
                    let response = client.get(uri.clone()).await.unwrap();
                    response.into_body().collect().await.unwrap();
                }
            });
        }
        load.join_all().await;
    }

    /// What a browser makes of the page.
    async fn in_browser(&self, query: &str) -> String {
        let profile = tempfile::tempdir().unwrap();
        let mut browser = Command::new(CHROMIUM.find().expect("the check was not skipped"));
        browser
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(format!("{}{query}", self.page))
            .stderr(Stdio::null());
        let output = spawn_blocking(move || browser.output()).await.unwrap().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// A part of the page, asked by a client that nobody observes.
    async fn json(&self, part: &str) -> Value {
        let uri = format!("{}?json={part}", self.page);
        let response = Outbound::new().client().get(uri).await.unwrap();
        serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap()
    }
}

/// The cells of a column of a table, as text.
fn column<'a>(document: &'a str, table: &str, name: &str) -> Vec<&'a str> {
    let table = document.split_once(&format!("id=\"{table}\"")).expect("the table is there").1;
    let table = table.split("</table>").next().unwrap_or_default();
    let start = format!("data-name=\"{name}\"><span>");
    let cells = table.split(&start).skip(1);
    cells.map(|cell| cell.split("</span>").next().unwrap_or_default()).collect()
}

pub(crate) async fn agrees() {
    let rig = Rig::start().await;
    rig.load(4, 50).await;
    let document = rig.in_browser("").await;
    let served: Vec<Served> = rig.peer.served();
    assert_eq!(column(&document, "origins", "requests, last minute"), ["200"]);
    assert_eq!(served.len(), 200);
    let new: BTreeSet<_> = served.iter().map(|served| served.peer_port).collect();
    let reused = format!("{:.1} %", (200 - new.len()) as f64 / 2.0);
    assert_eq!(column(&document, "origins", "reused"), [reused]);

    let open = rig.client.outbound().connections();
    let shown = |name| column(&document, "connections", name);
    let expected = |of: fn(&tower_outbound::Connection) -> u64| -> Vec<String> {
        open.iter().map(|connection| of(connection).to_string()).collect()
    };
    assert_eq!(shown("id"), expected(tower_outbound::Connection::id));
    assert_eq!(shown("uses"), expected(tower_outbound::Connection::uses));
    assert_eq!(shown("bytes in"), expected(tower_outbound::Connection::bytes_in));
    assert_eq!(shown("bytes out"), expected(tower_outbound::Connection::bytes_out));
    let ports: BTreeSet<_> =
        open.iter().filter_map(|connection| Some(connection.local_addr()?.port())).collect();
    assert!(ports.is_subset(&new), "{ports:?}");
}

pub(crate) async fn under_load() {
    let rig = Rig::start().await;
    let load = rig.load(16, 1_250);
    let look = async {
        // Each start of the browser, and the page that it shows meanwhile, is beside the load.
        for _ in 0..3 {
            let document = rig.in_browser("?refresh=1").await;
            assert!(document.contains("Refresh") || document.contains("Stop"), "{document}");
        }
    };
    tokio::join!(load, look);
    let origins = rig.json("origins").await;
    assert_eq!(origins[0]["total"]["requests"], 20_000);
    assert_eq!(rig.peer.served().len(), 20_000);
}
