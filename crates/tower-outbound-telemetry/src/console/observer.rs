//! The observer that prints a line for each attempt.

use std::fmt;
use std::io::Write;

use tower_outbound::{Attempt, Event, Observer, Origin, Outcome};

use super::out::Out;
use super::text::clean;

/// Prints a line for each ended attempt: the request, its outcome and the duration of each phase.
///
/// ```text
/// GET https://example.com/users/{id} → 200, dns 0.9 tcp 0.4 tls 3.2 send 0.0 wait 12.1 head 0.0 body 0.4 = 17.3 ms, connection 1 new
/// GET https://example.com → connection_refused in phase tcp, tcp 0.3 = 0.5 ms, no connection
/// GET https://example.com → cancelled in phase wait, send 0.0 = 5.1 ms, connection 1 reused
/// ```
///
/// Instead of the path, the [`UrlTemplate`](tower_outbound::UrlTemplate) is printed. The durations are those of
/// [`Timings`](tower_outbound::Timings). The task in which the attempt ends writes the line and waits for the writer.
///
/// # Example
/// ```
/// use tower_outbound::Outbound;
/// use tower_outbound_telemetry::console::ConsoleObserver;
///
/// let outbound = Outbound::builder().observer(ConsoleObserver::new()).build();
/// # let _ = outbound;
/// ```
#[derive(Clone, Default)]
pub struct ConsoleObserver {
    out: Out,
}

impl ConsoleObserver {
    /// Prints to standard error.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Prints to this writer. Each line is one write, followed by a flush.
    #[must_use]
    pub fn with_writer(mut self, writer: impl Write + Send + 'static) -> Self {
        self.out = Out::new(writer);
        self
    }
}

impl Observer for ConsoleObserver {
    fn on_event(&self, event: &Event<'_>) {
        if let Event::AttemptEnded { attempt, outcome, .. } = event {
            // A failed write must not affect the attempt.
            let _ = self.out.write(&line(attempt, outcome));
        }
    }
}

impl fmt::Debug for ConsoleObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConsoleObserver").finish_non_exhaustive()
    }
}

fn line(attempt: &Attempt, outcome: &Outcome) -> String {
    let mut result: Vec<_> = attempt.status().map(|status| status.as_str().to_owned()).into_iter().collect();
    match outcome {
        Outcome::Failed(failure) => result.push(failure.to_string()),
        Outcome::Cancelled { phase, .. } => result.push(format!("cancelled in phase {phase}")),
        _ => {}
    }
    let (method, origin) = (attempt.method(), origin(attempt.origin()));
    let template = attempt.template().map_or("", |template| template.as_str());
    let text = format!("{method} {origin}{template} → {}, {}", result.join(", then "), attempt.timings());
    format!("{}\n", clean(&text))
}

/// Without the default port.
fn origin(origin: &Origin) -> String {
    let text = origin.to_string();
    let implied = match origin.scheme() {
        "http" => ":80",
        "https" => ":443",
        _ => ":0",
    };
    text.strip_suffix(implied).map(str::to_owned).unwrap_or(text)
}
