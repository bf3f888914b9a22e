//! A marker in every place that may hold a secret, and a check of the log for it.

use std::io::{self, Write};
use std::sync::Once;

use http::Request;
use http::header::{AUTHORIZATION, COOKIE};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The marker, which must not appear outside the request.
pub const MARKER: &str = "s3cr3t-marker";

/// Whether the text contains the marker.
#[must_use]
pub fn is_in(text: &str) -> bool {
    text.contains(MARKER)
}

/// A request with the marker in its user info, in the seven sensitive query values, and in two headers.
///
/// # Panics
/// If the URI is not absolute.
#[must_use]
pub fn request<B>(uri: &http::Uri, body: B) -> Request<B> {
    let keys = [
        "X-Amz-Signature",
        "X-Amz-Credential",
        "X-Amz-Security-Token",
        "AWSAccessKeyId",
        "Signature",
        "sig",
        "X-Goog-Signature",
    ];
    let query: Vec<_> = keys.iter().map(|key| format!("{key}={MARKER}")).collect();
    let scheme = uri.scheme_str().expect("an absolute URI");
    let authority = uri.authority().expect("an absolute URI");
    let uri = format!("{scheme}://user:{MARKER}@{authority}{}?{}", uri.path(), query.join("&"));
    Request::get(uri)
        .header(AUTHORIZATION, format!("Bearer {MARKER}"))
        .header(COOKIE, format!("session={MARKER}"))
        .body(body)
        .expect("a valid request")
}

/// Installs a log subscriber that ends the process if a log line of these crates contains the marker.
pub fn watch_log() {
    static WATCHED: Once = Once::new();
    WATCHED.call_once(|| {
        let ours = tracing_subscriber::EnvFilter::new(
            "off,tower_outbound=trace,tower_outbound_otel=trace,tower_outbound_telemetry=trace",
        );
        let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(Watch);
        // Fails if the test has its own subscriber; such a test checks its log itself.
        let _ = tracing_subscriber::registry().with(ours).with(lines).try_init();
    });
}

#[derive(Clone, Copy)]
struct Watch;

impl Write for Watch {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        if is_in(&text) {
            eprintln!("a secret in the log: {text}");
            std::process::abort();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Watch {
    type Writer = Watch;

    fn make_writer(&self) -> Watch {
        Watch
    }
}
