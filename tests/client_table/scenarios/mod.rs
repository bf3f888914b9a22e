//! Behaviour that users rely on with every client.

mod bodies;
mod connections;
mod failures;
mod limits;
mod retries;
mod telemetry;

use futures_util::future::LocalBoxFuture;
use outbound_tests::cells::slug;

use crate::cell::Cell;
use crate::kinds::Kind;

/// One fact about a client. Panics if it does not hold.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    pub(crate) run: for<'a> fn(&'a Cell) -> LocalBoxFuture<'a, ()>,
}

impl Scenario {
    /// The name of the cell's test, without the program's name.
    pub(crate) fn path(&self, kind: &Kind) -> String {
        format!("{}::{}", self.name, slug(kind.name))
    }

    /// The name as a sentence.
    pub(crate) fn sentence(&self) -> String {
        self.name.replace("http_2", "HTTP/2").replace('_', " ")
    }
}

macro_rules! scenarios {
    ($($module:ident: $($name:ident),+;)+) => {
        /// The rows of the table.
        pub(crate) const ALL: &[Scenario] =
            &[$($(Scenario { name: stringify!($name), run: |cell| Box::pin($module::$name(cell)) },)+)+];
    };
}

scenarios! {
    connections:
        connection_new_is_reported_with_setup,
        connection_reuse_is_reported,
        requests_at_once_share_http_2_or_have_a_connection_each,
        connection_closed_while_idle_is_replaced,
        close_reason_is_close_announced_by_peer,
        client_drop_closes_connections;
    bodies:
        bytes_counted_in_both_directions,
        empty_upload_has_content_length_0,
        trailers_are_forwarded,
        attempt_ends_with_body,
        attempt_without_body_ends_with_head,
        body_dropped_is_cancelled_in_body,
        early_response_has_no_wait_phase;
    failures:
        connect_refused_is_classified_and_not_sent,
        dns_unknown_name_fails_in_dns,
        retry_after_request_was_received_is_not_made,
        body_truncated_fails_in_body,
        response_not_http_is_classified,
        error_status_is_a_response,
        cancellation_is_not_an_error,
        request_body_panic_is_request_body_error;
    limits:
        first_byte_timeout_is_response_timeout,
        body_idle_timeout_is_body_timeout,
        limit_slot_is_held_until_body_ends,
        limit_acquire_timeout_is_pool_timeout_not_sent;
    retries:
        retry_of_unsent_request_is_made,
        retry_of_unpolled_stream_body_sends_whole_body,
        retry_of_unprocessed_request_is_made,
        retry_response_is_released_before_backoff,
        retry_off_for_request_is_respected;
    telemetry:
        propagation_each_attempt_carries_own_span,
        telemetry_each_attempt_is_one_span_and_one_count,
        no_secret_in_errors_or_telemetry,
        timings_line_names_connection;
}
