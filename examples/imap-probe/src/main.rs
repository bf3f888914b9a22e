//! `cargo run --release -p imap-probe -- --server HOST:PORT --tls tls --user USER --password-env VAR --mailbox INBOX`

use std::process::ExitCode;
use std::time::Duration;

use imap_probe::cli::{Cli, Server, Tls};
use imap_probe::demonstration::{Mood, serve};
use imap_probe::error::chain;
use imap_probe::output::{exit_code, print};
use imap_probe::probe::{Login, Probe, start};
use imap_probe::transport::{TlsConfig, Transport};
use tokio::time::MissedTickBehavior;
use tower_outbound::{BoxError, Outbound};
use tower_outbound_telemetry::Telemetry;

/// How long the last export may take.
const FLUSH: Duration = Duration::from_secs(1);
/// One of these turns telemetry on.
const EXPORT: [&str; 3] = [
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
];

#[tokio::main]
async fn main() -> ExitCode {
    let (cli, probe) = match Cli::read() {
        Ok(read) => read,
        Err(exit) => return exit,
    };
    let telemetry = telemetry();
    let mut runner = match Runner::new(telemetry.as_ref(), cli) {
        Ok(runner) => runner,
        Err(error) => {
            eprintln!("imap-probe: {error}");
            return ExitCode::FAILURE;
        }
    };
    tokio::select! {
        () = runner.run(probe) => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    let code = runner.code;
    drop(runner);
    if let Some(telemetry) = telemetry {
        // What is lost is lost: the exit code is the probe's.
        let _losses = telemetry.shutdown().await;
    }
    ExitCode::from(code)
}

/// `None` if nothing is to be exported, or if it cannot be.
fn telemetry() -> Option<Telemetry> {
    EXPORT.iter().find(|name| std::env::var_os(name).is_some())?;
    let built = Telemetry::builder("imap-probe").shutdown_timeout(FLUSH).build();
    built.map_err(|error| eprintln!("imap-probe: no telemetry: {error}")).ok()
}

struct Runner {
    cli: Cli,
    outbound: Outbound,
    transport: Transport,
    /// The exit code of the last probe.
    code: u8,
}

impl Runner {
    fn new(telemetry: Option<&Telemetry>, cli: Cli) -> Result<Self, BoxError> {
        // The deadline of the operation is the only time limit.
        let mut builder = Outbound::builder().connect_timeout(Duration::ZERO).idle_timeout(Duration::ZERO);
        if let Some(telemetry) = telemetry {
            builder = builder.observer(telemetry.observer().build());
        }
        let outbound = builder.build();
        let (tls, problem) = TlsConfig::from_env()?;
        if let (Some(problem), Some(_)) = (problem, &cli.server) {
            eprintln!("imap-probe: {problem}");
        }
        Ok(Self { transport: Transport::new(&outbound, tls), outbound, cli, code: 0 })
    }

    /// Once, or until the program is stopped.
    async fn run(&mut self, probe: Option<(Server, Probe)>) {
        let Some(every) = self.cli.every else { return self.round(probe.as_ref()).await };
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.round(probe.as_ref()).await;
        }
    }

    async fn round(&mut self, probe: Option<&(Server, Probe)>) {
        if let Some((server, probe)) = probe {
            self.code = self.probe(server, probe).await;
            return;
        }
        for mood in Mood::ALL {
            if !self.cli.json {
                println!("{}", mood.describe());
            }
            let login = Login { user: "demo".to_owned(), password: "demo".to_owned() };
            let mailboxes = self.cli.mailboxes.clone();
            match serve(mood).await {
                Ok(server) => {
                    let probe = Probe::new(Tls::None, server.host.clone(), login, mailboxes);
                    // As it should be, three times: the demonstration itself has not failed.
                    self.probe(&server, &probe).await;
                }
                Err(error) => eprintln!("imap-probe: no server: {error}"),
            }
        }
    }

    /// Returns the exit code.
    async fn probe(&self, server: &Server, probe: &Probe) -> u8 {
        let operation = start(&probe.declare(&self.outbound), self.cli.timeout);
        let connect = self.transport.connect(server, probe.tls());
        let result = probe.run(&operation, connect, &self.transport.tls().connector()).await;
        let report = operation.finish();
        if let Err(error) = result {
            eprintln!("imap-probe: {}", chain(&error));
        }
        if print(&report, self.cli.json).is_err() {
            // Nobody reads.
            std::process::exit(exit_code(report.outcome()).into());
        }
        exit_code(report.outcome())
    }
}
