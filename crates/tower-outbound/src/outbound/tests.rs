//! The retry options of the builder.

use std::time::Duration;

use http::StatusCode;
use http::header::HeaderName;

use super::Outbound;
use crate::retry::{RetryBudget, RetryLayer};
use crate::settings::RetrySettings;

#[test]
fn retry_options_of_builder_each_reach_outbound_settings() {
    let budget = || RetryBudget::new().share(0.5).per_second(1);
    let name = HeaderName::from_static("x-attempt");
    type Options = Box<dyn FnOnce(RetryLayer) -> RetryLayer>;
    type Changed = fn(&RetrySettings) -> bool;
    let options: Vec<(Options, Changed)> = vec![
        (Box::new(RetryLayer::connect_only), |it| it.connect_only && it.max_retries == 1),
        (Box::new(|retry| retry.max_retries(7)), |it| it.max_retries == 7),
        (Box::new(RetryLayer::idempotent), |it| it.idempotent),
        (Box::new(|retry| retry.status([StatusCode::LOCKED])), |it| it.statuses == [StatusCode::LOCKED]),
        (Box::new(RetryLayer::grpc), |it| it.grpc),
        (Box::new(|retry| retry.replay_up_to(1)), |it| it.replay_up_to == 1),
        (Box::new(|retry| retry.longest_wait(Duration::ZERO)), |it| it.longest_wait.is_zero()),
        (Box::new(|retry| retry.release_within(1, Duration::ZERO)), |it| {
            it.release.bytes == 1 && it.release.time.is_zero()
        }),
        (Box::new(|retry| retry.backoff(Duration::ZERO, Duration::MAX)), |it| {
            it.backoff_base.is_zero() && it.backoff_cap == Duration::MAX
        }),
        (Box::new(move |retry| retry.connect_budget(budget())), |it| it.connect_budget.share == 0.5),
        (Box::new(move |retry| retry.budget(budget())), |it| it.budget.per_second == 1),
        (Box::new(|retry| retry.attempt_header(name)), |it| it.attempt_header.is_some()),
    ];
    for (index, (option, is_changed)) in options.into_iter().enumerate() {
        assert!(!is_changed(&RetrySettings::default()), "option {index} has another default");
        let outbound = Outbound::builder().retry(option).build();
        assert!(is_changed(&outbound.registry.settings().retry), "option {index}");
        assert!(is_changed(&outbound.retry_layer().settings()), "option {index}");
    }
}

#[test]
fn retry_options_of_several_builder_calls_add_up() {
    let outbound = Outbound::builder().retry(RetryLayer::grpc).retry(RetryLayer::idempotent).build();
    let settings = outbound.retry_layer().settings();
    assert!(settings.grpc && settings.idempotent);
}
