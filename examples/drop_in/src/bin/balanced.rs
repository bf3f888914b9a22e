//! A balanced channel of tonic that knows which endpoint serves: `cargo run -p drop-in --bin balanced -- URI URI…`.

use tonic::transport::Endpoint;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tower::balance::p2c::Balance;
use tower::buffer::Buffer;
use tower::discover::ServiceList;
use tower::load::{CompleteOnResponse, PendingRequests};
use tower_outbound::{BoxError, Event, Outbound};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let outbound = Outbound::builder()
        .observer(|event: &Event<'_>| {
            if let Event::AttemptEnded { attempt, .. } = event {
                println!("{} {}", attempt.origin(), attempt.timings());
            }
        })
        .build();
    // Each endpoint has a channel of its own, with every layer. `Channel::balance_list` takes no tracked connector, and the
    // requests above it have no host.
    let channels: Result<Vec<_>, BoxError> = std::env::args()
        .skip(1)
        .map(|uri| {
            let channel = outbound.tonic(Endpoint::from_shared(uri)?).connect_lazy();
            Ok(PendingRequests::new(channel, CompleteOnResponse::default())) // the load, for the balance
        })
        .collect();
    let balanced = Balance::new(ServiceList::new(channels?));
    let mut health = HealthClient::new(Buffer::new(balanced, 64)); // clones share one balance
    for _ in 0..20 {
        let answer = health.check(HealthCheckRequest::default()).await?.into_inner();
        println!("{}", answer.status().as_str_name());
    }
    Ok(())
}
