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
        a_new_connection_is_reported_with_its_setup,
        the_next_request_reuses_the_connection_and_knows_it,
        requests_at_once_share_http_2_or_have_a_connection_each,
        what_the_peer_closed_while_it_was_idle_is_replaced,
        the_peers_goodbye_is_why_the_connection_closed,
        a_client_that_is_dropped_closes_its_connections;
    bodies:
        bytes_are_counted_in_both_directions,
        trailers_pass,
        the_attempt_ends_with_the_body,
        an_answer_without_a_body_ends_with_its_head,
        a_dropped_body_is_cancelled_in_body,
        an_answer_before_the_request_is_whole_has_no_wait;
    failures:
        a_refused_connect_is_classified_and_nothing_is_sent,
        an_unknown_name_fails_in_dns,
        a_peer_that_takes_the_request_and_goes_is_not_asked_again,
        a_body_that_is_cut_short_fails_in_body,
        a_response_that_is_not_http_is_classified,
        an_error_status_is_an_answer,
        a_caller_that_leaves_is_no_error;
    limits:
        no_first_byte_in_time_is_a_response_timeout,
        a_silent_body_is_a_body_timeout,
        the_next_request_waits_for_the_slot_until_the_body_ends,
        no_slot_in_time_is_a_pool_timeout_and_nothing_is_sent;
    retries:
        what_was_never_sent_is_sent_again,
        a_stream_that_was_never_polled_is_sent_again_whole,
        what_the_peer_has_not_processed_is_sent_again,
        an_answer_that_says_come_again_is_released_first,
        one_request_may_refuse_to_be_sent_again;
    telemetry:
        each_attempt_carries_the_context_of_its_own_span,
        each_attempt_is_one_span_and_counted_once,
        no_secret_appears_in_errors_or_telemetry,
        the_line_of_timings_names_the_connection;
}
