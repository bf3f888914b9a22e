//! The lines in the log.

use tower_outbound::Outbound;

use super::*;
use crate::log::Lines;

#[test]
fn settings_log_has_table_warnings_and_reloads() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter("off,tower_outbound=info")
        .with_ansi(false)
        .with_writer(lines.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let file = File::new("pool.max_idle = -1\npool.max_age = \"10m\"\n");
    let outbound = Outbound::builder().settings(file.sources().load()).build();
    file.write("pool.max_age = \"5m\"\n");
    outbound.reload(&file.sources()).unwrap();
    file.write("[");
    outbound.reload(&file.sources()).unwrap_err();

    let log = lines.text();
    let path = file.path.display().to_string();
    let found =
        |parts: &[&str]| log.lines().filter(|line| parts.iter().all(|part| line.contains(part))).count();
    let warning = [
        "WARN",
        "key=\"pool.max_idle\"",
        "value=\"-1\"",
        &path,
        "used=\"0 (default)\"",
        "below the minimum of 0",
    ];
    assert_eq!(found(&warning), 1, "{log}");
    let table = [
        "INFO",
        "the settings in force",
        "connect.timeout = 10s (default)",
        &format!("pool.max_age = 10m ({path})"),
    ];
    assert_eq!(found(&table), 1, "{log}");
    assert_eq!(found(&["INFO", "settings are applied", "pool.max_age = 5m", "was 10m"]), 1, "{log}");
    assert_eq!(found(&["INFO", "the settings were read again"]), 1, "{log}");
    assert_eq!(found(&["WARN", "the settings stay as they are", &path]), 1, "{log}");
}
