//! The clients that are measured, one file for each kind: a new one needs its file, a row in `settings` and a line here.

mod bare;
mod layers;
mod outbound;
mod tls;
mod tower_otel;
mod trace_layer;

pub(crate) use bare::{over_tls, plain};

use crate::load::{Outcome, Run};
use crate::settings::Client;

/// Builds the client and sends the requests.
pub(crate) async fn run(run: &Run) -> Outcome {
    match run.setting.client {
        Client::Bare => bare::run(run).await,
        Client::Outbound => outbound::run(run).await,
        Client::Layers => layers::run(run).await,
        Client::TraceLayer => trace_layer::run(run).await,
        Client::TowerOtel => tower_otel::run(run).await,
    }
}
