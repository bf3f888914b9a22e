//! Settings from files and variables, by the public API.

#![cfg(feature = "settings")]

mod cases;
mod table;
mod valid;

use std::fs;
use std::path::PathBuf;
use std::process;
use std::sync::atomic::{AtomicUsize, Ordering};

use tower_outbound::settings::{Settings, Source};

/// Every key.
fn keys() -> Vec<&'static str> {
    Settings::new().entries().map(|entry| entry.key()).collect()
}

fn variable(key: &str) -> String {
    format!("OUTBOUND_{}", key.replace('.', "_").to_uppercase())
}

/// No variable.
fn none() -> [(String, String); 0] {
    []
}

/// A file of its own for each test.
struct File(PathBuf);

impl File {
    fn new(text: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("outbound-settings-{}-{count}.toml", process::id());
        let file = Self(std::env::temp_dir().join(name));
        file.write(text);
        file
    }

    fn write(&self, text: &str) {
        fs::write(&self.0, text).unwrap();
    }

    fn source(&self) -> Source {
        Source::File(self.0.clone())
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
