//! The waterfall of a call: a row for each attempt and each wait, a bar for each phase.

use maud::{Markup, html};

use super::html::duration;
use crate::calls::{KeptAttempt, KeptCall, Span};

/// In percent: a shorter bar could not be seen.
const NARROWEST: f64 = 0.4;

/// Where a part of the call is, in percent of the call's width.
fn place(part: Span, call: &KeptCall) -> String {
    let whole = call.total_ms.max(part.end_ms).max(0.001);
    let left = (part.start_ms / whole * 100.0).min(100.0 - NARROWEST);
    let width = ((part.end_ms - part.start_ms) / whole * 100.0).max(NARROWEST);
    format!("left:{left:.2}%;width:{width:.2}%")
}

pub(super) fn waterfall(call: &KeptCall) -> Markup {
    html! {
        @for attempt in &call.attempts {
            (of_attempt(attempt, call))
        }
        @for wait in &call.waits {
            div.row {
                span.what { "wait before retry" }
                div.lane { i.bar.backoff style=(place(*wait, call)) {} }
                span.phases { "backoff " (duration(wait.end_ms - wait.start_ms)) }
            }
        }
    }
}

fn of_attempt(attempt: &KeptAttempt, call: &KeptCall) -> Markup {
    html! {
        div.row {
            span.what {
                b class=[attempt.reason.map(|_| "bad")] { (attempt.outcome) }
                @if let Some(connection) = attempt.connection {
                    " on connection " (connection) " (" (attempt.reuse) ")"
                }
                @if let Some(peer) = attempt.peer { " to " (peer) }
            }
            div.lane {
                i.bar.whole style=(place(attempt.span, call)) {}
                @for phase in &attempt.phases {
                    i class={"bar " (phase.phase)} style=(place(phase.span, call)) title=(phase.phase) {}
                }
            }
            span.phases {
                @for phase in &attempt.phases {
                    span class={"key " (phase.phase)} {
                        (phase.phase) " " (duration(phase.span.end_ms - phase.span.start_ms))
                    }
                }
            }
        }
    }
}
