//! Reloads when the file changes.

use std::os::unix::fs::symlink;
use std::path::Path;

use tokio::sync::mpsc;
use tokio::time::timeout;
use tower_outbound::{Event, Outbound};

use super::*;

/// Reloads on changes of a file, and what came of each.
struct Watch {
    outbound: Outbound,
    reloads: mpsc::UnboundedReceiver<bool>,
}

impl Watch {
    fn new(path: &Path) -> Self {
        let none: [(String, String); 0] = [];
        let sources = Sources::new().variables(none).file(path);
        let (sender, reloads) = mpsc::unbounded_channel();
        let observer = move |event: &Event<'_>| {
            if let Event::Reloaded { error, .. } = event {
                let _ = sender.send(error.is_none());
            }
        };
        let outbound = Outbound::builder().observer(observer).settings(sources.load()).build();
        outbound.reload_on_change(sources).unwrap();
        Self { outbound, reloads }
    }

    /// Reloads until the value is this one. Half of a file may be read in between.
    async fn comes_to(&mut self, max_idle: &str) {
        let wait = async {
            while self.max_idle() != max_idle {
                self.reloads.recv().await.unwrap();
            }
        };
        timeout(Duration::from_secs(30), wait).await.unwrap_or_else(|_| panic!("no reload to {max_idle}"));
        assert_eq!(self.max_idle(), max_idle);
    }

    fn max_idle(&self) -> String {
        self.outbound.settings().get("pool.max_idle").unwrap().value().to_owned()
    }
}

fn text(max_idle: u32) -> String {
    format!("pool.max_idle = {max_idle}\n")
}

#[tokio::test]
async fn watch_file_written_in_place_reloads_unless_broken() {
    let file = File::new(&text(3));
    let mut watch = Watch::new(&file.path);
    file.write(&text(4));
    watch.comes_to("4").await;
    file.write("[");
    while watch.reloads.recv().await.unwrap() {}
    assert_eq!(watch.max_idle(), "4");
    file.write(&text(5));
    watch.comes_to("5").await;
}

#[tokio::test]
async fn watch_reloads_file_replaced_by_rename_or_removed_and_written() {
    let file = File::new(&text(3));
    let mut watch = Watch::new(&file.path);
    for max_idle in [4, 5] {
        let other = file.path.with_extension("swp");
        fs::write(&other, text(max_idle)).unwrap();
        fs::rename(&other, &file.path).unwrap();
        watch.comes_to(&max_idle.to_string()).await;
    }
    fs::remove_file(&file.path).unwrap();
    while watch.reloads.recv().await.unwrap() {}
    assert_eq!(watch.max_idle(), "5");
    file.write(&text(6));
    watch.comes_to("6").await;
}

/// As the kubelet does it: the file is a link through `..data`, which is a link to a directory with a date.
#[tokio::test]
async fn watch_reloads_when_kubernetes_swaps_the_link() {
    let volume = tempfile::tempdir().unwrap();
    let at = |name: &str| volume.path().join(name);
    let publish = |date: &str, max_idle: u32| {
        fs::create_dir(at(date)).unwrap();
        fs::write(at(date).join("outbound.toml"), text(max_idle)).unwrap();
        symlink(date, at("..data_tmp")).unwrap();
        fs::rename(at("..data_tmp"), at("..data")).unwrap();
    };
    publish("..2026_01", 3);
    symlink("..data/outbound.toml", at("outbound.toml")).unwrap();
    let mut watch = Watch::new(&at("outbound.toml"));
    for (date, before, max_idle) in [("..2026_02", "..2026_01", 4), ("..2026_03", "..2026_02", 5)] {
        publish(date, max_idle);
        fs::remove_dir_all(at(before)).unwrap();
        watch.comes_to(&max_idle.to_string()).await;
    }
}

#[tokio::test]
async fn watch_reloads_when_the_target_of_a_link_changes() {
    let file = File::new(&text(3));
    let directory = tempfile::tempdir().unwrap();
    let link = directory.path().join("outbound.toml");
    symlink(&file.path, &link).unwrap();
    let mut watch = Watch::new(&link);
    file.write(&text(4));
    watch.comes_to("4").await;
}

#[tokio::test]
async fn watch_does_not_reload_for_other_files_or_the_same_content() {
    let file = File::new(&text(3));
    let mut watch = Watch::new(&file.path);
    let replace = |max_idle: u32| {
        let other = file.path.with_extension("swp");
        fs::write(&other, text(max_idle)).unwrap();
        fs::rename(&other, &file.path).unwrap();
    };
    for name in ["a", "b"] {
        fs::write(file.path.with_file_name(name), "x").unwrap();
        replace(3);
        // The changes are looked at.
        tokio::time::sleep(ms(150)).await;
    }
    replace(4);
    assert!(watch.reloads.recv().await.unwrap());
    assert_eq!(watch.max_idle(), "4", "the first reload");
}

#[tokio::test]
async fn watch_without_file_or_directory_is_an_error() {
    let none = Outbound::new().reload_on_change(Sources::new()).unwrap_err();
    assert_eq!(none.kind(), std::io::ErrorKind::InvalidInput);
    Outbound::new().reload_on_change(Sources::new().file("/does/not/exist/a.toml")).unwrap_err();
}
