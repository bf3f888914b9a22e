//! SIGHUP, in a process of its own.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use tokio::sync::mpsc;
use tokio::time::timeout;
use tower_outbound::{Event, Outbound};

use super::*;

const FILE: &str = "OUTBOUND_TESTS_SIGHUP_FILE";

/// Ends with the test.
struct Process(Child);

impl Process {
    fn hang_up(&self) {
        let sent = Command::new("kill").args(["-HUP", &self.0.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn sighup_reloads_and_keeps_settings_if_file_is_broken() {
    let file = File::new("pool.max_idle = 3\n");
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "settings::sighup::reloads_until_max_idle_is_9"])
        .env(FILE, &file.path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut process = Process(child);
    let mut lines = BufReader::new(process.0.stdout.take().unwrap()).lines();
    let mut said = || loop {
        let line = lines.next().expect("it goes on").unwrap();
        if let Some((_, said)) = line.split_once("said: ") {
            return said.to_owned();
        }
    };
    assert_eq!(said(), "ready, 3");
    file.write("pool.max_idle = \n");
    process.hang_up();
    assert_eq!(said(), "error, 3");
    file.write("pool.max_idle = 4\n");
    process.hang_up();
    assert_eq!(said(), "ok, 4");
    file.write("pool.max_idle = 9\n");
    process.hang_up();
    assert_eq!(said(), "ok, 9");
    assert!(process.0.wait().unwrap().success());
}

/// The process that gets the signals.
#[tokio::test]
#[ignore = "runs as the child process of the test above, which sends it the signals"]
async fn reloads_until_max_idle_is_9() {
    let path = std::env::var_os(FILE).expect("the test above sets it");
    let none: [(String, String); 0] = [];
    let sources = Sources::new().variables(none).file(path);
    let (sender, mut reloads) = mpsc::unbounded_channel();
    let observer = move |event: &Event<'_>| {
        if let Event::Reloaded { error, .. } = event {
            sender.send(if error.is_some() { "error" } else { "ok" }).unwrap();
        }
    };
    let outbound = Outbound::builder().observer(observer).settings(sources.load()).build();
    outbound.reload_on_sighup(sources).unwrap();
    let mut what = "ready";
    loop {
        let max_idle = outbound.settings().get("pool.max_idle").unwrap().value().to_owned();
        println!("said: {what}, {max_idle}");
        if max_idle == "9" {
            return;
        }
        what = timeout(Duration::from_secs(60), reloads.recv()).await.expect("a reload in time").unwrap();
    }
}
