//! Settings from files and variables, and their change while requests are under way.

mod bound;
mod live;
mod load;
mod log;
mod several_clients;
#[cfg(unix)]
mod sighup;
mod sources;
mod switches;
#[cfg(unix)]
mod watch;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::Full;
use tempfile::TempDir;
use tower_outbound::settings::Sources;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn request(uri: Uri) -> Request<Full<Bytes>> {
    Request::get(uri).body(Full::default()).unwrap()
}

/// A file that can be written again.
struct File {
    path: PathBuf,
    _directory: TempDir,
}

impl File {
    fn new(text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = Self { path: directory.path().join("outbound.toml"), _directory: directory };
        file.write(text);
        file
    }

    fn write(&self, text: &str) {
        fs::write(&self.path, text).unwrap();
    }

    /// Without the variables of the process.
    fn sources(&self) -> Sources {
        let none: [(String, String); 0] = [];
        Sources::new().variables(none).file(&self.path)
    }
}
