//! A filter with its log, its page and its file.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::Uri;
use mail_filter::config::ConfigSource;
use mail_filter::filter::Filter;
use mail_filter::metrics::{Metrics, MilterObserver, Page};
use mail_filter::{Decision, Message};
use outbound_tests::server::ScriptedServer;
use serde_json::Value;
use socket2::{Domain, Socket, Type};
use tempfile::TempDir;
use tower_outbound::connect::TcpConnector;
use tower_outbound::outbound::OutboundBuilder;
use tower_outbound::{BoxError, Outbound};
use tower_outbound_telemetry::Telemetry;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;

/// A verdict that needs no body.
pub(crate) const ACCEPTED: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// The lines of the log. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    /// Makes this the log of the thread.
    pub(crate) fn install() -> (Self, DefaultGuard) {
        let lines = Self::default();
        let subscriber =
            tracing_subscriber::fmt().json().flatten_event(true).with_writer(lines.clone()).finish();
        (lines, tracing::subscriber::set_default(subscriber))
    }

    /// The lines with this message.
    pub(crate) fn with(&self, message: &str) -> Vec<Value> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["message"].as_str().is_some_and(|text| text.starts_with(message))).collect()
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// A filter, and what it leaves behind.
pub(crate) struct Mail {
    pub(crate) filter: Filter,
    pub(crate) page: Page,
    pub(crate) lines: Lines,
    directory: TempDir,
    _log: DefaultGuard,
    _telemetry: Telemetry,
}

impl Mail {
    /// With this file.
    pub(crate) fn new(text: &str) -> Self {
        Self::with(text, |builder| builder, Outbound::http_connector)
    }

    /// With more observers, and with another connector.
    pub(crate) fn with(
        text: &str,
        observe: impl FnOnce(OutboundBuilder) -> OutboundBuilder,
        tcp: impl FnOnce(&Outbound) -> TcpConnector,
    ) -> Self {
        let (lines, log) = Lines::install();
        let lookup = |key: &str| key.ends_with("_EXPORTER").then(|| "none".to_owned());
        let (builder, page) = Page::add(Telemetry::builder("mail-filter").lookup(lookup)).unwrap();
        let telemetry = builder.without_globals().build().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mail-filter.toml");
        fs::write(&path, text).unwrap();
        let none: [(String, String); 0] = [];
        let source = ConfigSource::new(Some(path)).variables(none);
        let builder = observe(Outbound::builder().observer(MilterObserver::new(Some(&telemetry))));
        let filter = Filter::new(source, builder, Metrics::new(Some(&telemetry)), tcp).unwrap();
        Self { filter, page, lines, directory, _log: log, _telemetry: telemetry }
    }

    /// Writes the file, and reloads.
    pub(crate) fn reload(&self, text: &str) -> Result<(), BoxError> {
        fs::write(self.directory.path().join("mail-filter.toml"), text).unwrap();
        self.filter.reload()
    }

    pub(crate) async fn send(&self, id: &str, body: &str) -> Decision {
        self.filter.decide(&Message::new(Some(id), Bytes::from(body.to_owned()))).await
    }

    /// The samples of the page whose line begins so, by the rest of their name.
    pub(crate) fn samples(&self, begin: &str) -> BTreeMap<String, f64> {
        let text = self.page.text().unwrap();
        let rest = text.lines().filter_map(|line| line.strip_prefix(begin)?.rsplit_once(' '));
        rest.map(|(name, value)| (name.to_owned(), value.parse().unwrap())).collect()
    }

    /// One sample.
    pub(crate) fn sample(&self, name: &str) -> f64 {
        self.samples(name).get("").copied().unwrap_or_else(|| panic!("no {name}"))
    }
}

/// A file with these peers. Large messages are those of more than 9 bytes.
pub(crate) fn file(webhook: &Uri, storage: &Uri) -> String {
    format!("webhook_url = \"{webhook}\"\nstorage_url = \"{storage}\"\nstorage_upload_threshold = 9\n")
}

/// A file whose storage is not used.
pub(crate) fn webhook_at(webhook: &ScriptedServer) -> String {
    file(&webhook.uri("/verdict"), &Uri::from_static("http://127.0.0.1:9/"))
}

/// A port that refuses connections for as long as the socket is there.
pub(crate) fn refusing() -> (SocketAddr, Socket) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    (socket.local_addr().unwrap().as_socket().unwrap(), socket)
}
