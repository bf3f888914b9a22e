//! The gateway and its twin under steady load while their upstreams restart repeatedly. At the end the exported
//! telemetry is compared with the upstreams' logs.

mod ledger;
mod load;
mod report;
mod upstreams;

use std::error::Error;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use axum::http::StatusCode;
use indicatif::ProgressBar;
use outbound_tests::otlp::{Receiver, Span, SpanKind};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, interval, sleep, sleep_until};
use tower_outbound::Outbound;
use tower_outbound::timeouts::Timeouts;
use tower_outbound_otel::{MetricLabel, Phases};
use tower_outbound_page::Page;
use tower_outbound_telemetry::OtlpProtocol;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;

use self::ledger::Ledger;
use self::load::Load;
use self::report::{Report, Sample, Sums};
use self::upstreams::{Upstream, ledger};
use crate::cli::Cli;
use crate::own_backend::OwnBackend;
use crate::servers::{OfTwin, Servers};
use crate::service::PAGE;
use crate::services::Services;
use crate::traffic::Caller;
use crate::{progress, services};

/// The interval at which the telemetry is flushed and read: short enough for its queue.
const TAKE: Duration = Duration::from_millis(500);
/// The timeout of an attempt, which bounds the load.
const ATTEMPT: Duration = Duration::from_secs(10);
/// The last spans are awaited for `LAST` times `MOMENT`: a span ends when its body is dropped, after the caller
/// has the response.
const LAST: usize = 50;
const MOMENT: Duration = Duration::from_millis(100);

/// The name of the span of a connect.
const SETUP: &str = "HTTP connection_setup ";

/// Runs the soak. Fails if the telemetry and the logs differ.
#[tokio::main]
pub(crate) async fn run(cli: &Cli) -> ExitCode {
    let listener = match TcpListener::bind(cli.listen).await {
        Ok(listener) => listener,
        Err(error) => return cli.cannot_listen(&error),
    };
    let report = match soak(cli, listener).await {
        Ok(report) => report,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    let text = match cli.json {
        true => serde_json::to_string_pretty(&report).map(|json| json + "\n"),
        false => Ok(report.to_string()),
    };
    match text.map_err(io::Error::from).and_then(|text| io::stdout().write_all(text.as_bytes())) {
        Ok(()) if report.adds_up() => ExitCode::SUCCESS,
        Ok(()) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn soak(cli: &Cli, listener: TcpListener) -> Result<Report, Box<dyn Error>> {
    let mut random = fastrand::Rng::with_seed(cli.seed);
    let receiver = Receiver::start().await?;
    let own = OwnBackend::start()?;
    // Ignores the environment: the comparison needs every span.
    let services = Services::start(|name, builder| {
        let builder = builder.lookup(|_| None);
        let builder = builder.protocol(OtlpProtocol::HttpProtobuf).endpoint(receiver.http_endpoint());
        OwnBackend::copy_spans(own.as_ref(), name, builder)
    })?;
    tracing::subscriber::set_global_default(
        tracing_subscriber::registry().with(services.gateway.layer()).with(LevelFilter::INFO),
    )?;

    let mut upstreams = [Upstream::http().await?, Upstream::grpc().await?];
    let page = Page::new();
    let outbounds = [services::GATEWAY, services::TWIN].map(|name| {
        let observer = services.of(name).observer().metric_label(MetricLabel::OutboundPort);
        let builder = Outbound::builder().observer(observer.phases(Phases::Off).build());
        let builder = if name == services::GATEWAY { builder.observer(page.clone()) } else { builder };
        OwnBackend::copy_metrics(own.as_ref(), name, builder)
            .timeouts(Timeouts::new().attempt(ATTEMPT))
            .build()
    });
    let twin = OfTwin {
        client: outbounds[1].client(),
        prices: upstreams[1].address(),
        tracer: services::tracer(&services.twin, services::TWIN),
    };
    let sides = [("/plain", format!("http://{}", upstreams[0].address()))];
    let servers =
        Servers::start(listener, &outbounds[0].client(), &sides, twin, page.service(&outbounds[0])).await?;
    let (gateway, twin) = (servers.gateway, servers.twin);

    let mut books = Books { twin_port: twin.port(), ..Books::default() };
    let started = Instant::now();
    let (end, quarter) = (started + cli.seconds(), started + cli.seconds() / 4);
    let mut sampled = None;
    let mut restart = started + interval_of(cli, &mut random);
    let mut next = 0;
    let caller = Caller::new(gateway, services::tracer(&services.caller, services::CALLER));
    let load = Load::start(&caller);
    let progress = bar(cli);
    let mut take = interval(TAKE);
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    eprintln!("Under load until ctrl-c, for {} s at most: http://{gateway}{}", cli.seconds().as_secs(), PAGE);
    loop {
        tokio::select! {
            _ = take.tick() => {
                books.take(&services, &receiver, &upstreams);
                progress.set_position(started.elapsed().as_secs());
            }
            () = sleep_until(quarter), if sampled.is_none() => {
                sampled = Some(Sample::now(&outbounds, started));
            }
            () = sleep_until(restart) => {
                upstreams[next].restart(&mut random).await?;
                next = (next + 1) % upstreams.len();
                restart = Instant::now() + interval_of(cli, &mut random);
            }
            () = sleep_until(end) => break,
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
        }
    }
    let at_end = Sample::now(&outbounds, started);
    let calls = load.end().await;
    for _ in 0..LAST {
        books.take(&services, &receiver, &upstreams);
        if books.is_whole(&calls) {
            break;
        }
        sleep(MOMENT).await;
    }
    for upstream in &mut upstreams {
        upstream.end(false).await?;
    }
    // The span of a connect may end with its connection.
    let connections = || outbounds.iter().flat_map(Outbound::connections);
    let open = || connections().filter(|open| open.origin().port() != twin.port()).count();
    for _ in 0..LAST {
        if open() == 0 {
            break;
        }
        sleep(MOMENT).await;
    }
    let still_open: Vec<_> = connections().collect();
    let ports = [upstreams[0].address().port(), upstreams[1].address().port(), twin.port()];
    let exported = services.shutdown().await;
    if let Some(own) = own {
        eprintln!("{}", own.end().await);
    }
    books.spans(&receiver.take_spans(), &upstreams);
    let sums = ports.map(|port| Sums::of(&receiver.metrics(), &still_open, port));
    progress.finish_and_clear();
    Ok(Report::new(cli, &upstreams, &books, &calls, &sums, &exported, [sampled.unwrap_or(at_end), at_end]))
}

/// A random interval between once and twice `--restart-every`.
fn interval_of(cli: &Cli, random: &mut fastrand::Rng) -> Duration {
    cli.restart_every + cli.restart_every.mul_f64(random.f64())
}

fn bar(cli: &Cli) -> ProgressBar {
    let progress = progress::bar(cli.json);
    progress.set_length(cli.seconds().as_secs());
    progress.set_message("soak");
    progress
}

/// The calls that the load sent, by result.
#[derive(Debug, Default)]
struct Calls {
    ok: u64,
    failed: u64,
    unanswered: u64,
}

impl Calls {
    fn add(&mut self, status: Option<StatusCode>) {
        match status {
            Some(StatusCode::OK) => self.ok += 1,
            Some(_) => self.failed += 1,
            None => self.unanswered += 1,
        }
    }

    fn sent(&self) -> u64 {
        self.ok + self.failed + self.unanswered
    }
}

/// The spans that the receiver got from all services.
#[derive(Default)]
struct Books {
    twin_port: u16,
    caller_spans: u64,
    gateway_spans: u64,
    /// The server spans of the twin serve as its log.
    twin: Ledger,
    /// Attempts to an unknown address.
    strays: u64,
}

impl Books {
    fn take(&mut self, services: &Services, receiver: &Receiver, upstreams: &[Upstream]) {
        tokio::task::block_in_place(|| services.flush());
        self.spans(&receiver.take_spans(), upstreams);
    }

    fn spans(&mut self, spans: &[Span], upstreams: &[Upstream]) {
        for span in spans {
            let to = |port: u16| span.attr("server.port").is_some_and(|to| to == port.to_string());
            let upstream = upstreams.iter().find(|upstream| to(upstream.address().port()));
            match (span.kind(), upstream) {
                _ if span.resource_service == services::CALLER => self.caller_spans += 1,
                (SpanKind::Server, _) if span.resource_service != services::TWIN => self.gateway_spans += 1,
                (SpanKind::Server, _) => self.twin.logged((0, 0), &format!("--{}", span.parent_span_id())),
                (SpanKind::Client, Some(upstream)) => ledger(&upstream.ledger).attempt(span),
                (SpanKind::Client, None) if to(self.twin_port) => self.twin.attempt(span),
                (SpanKind::Client, None) => self.strays += 1,
                // A failed setup has opened no connection.
                _ if !span.name().starts_with(SETUP) || span.attr("error.type").is_some() => {}
                (_, Some(upstream)) => ledger(&upstream.ledger).setups += 1,
                (_, None) => self.twin.setups += 1,
            }
        }
    }

    /// Whether every span has arrived.
    fn is_whole(&self, calls: &Calls) -> bool {
        let both = [self.caller_spans, self.gateway_spans];
        both == [calls.sent(); 2] && self.twin.attempts() == self.twin.logged
    }
}
