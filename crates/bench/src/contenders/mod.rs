//! The clients that are measured, one file for each kind: a new one needs its file, a row in `settings` and a line here.

mod bare;
mod hand;
mod layers;
mod lean;
mod outbound;
mod raw;
mod reqwest_middleware;
mod tls;
mod tower_otel;
mod trace_layer;
mod transport;

pub(crate) use bare::{over_tls, plain};
pub(crate) use tls::config as tls_config;
pub(crate) use transport::Transport;

use crate::load::{Outcome, Run};
use crate::settings::Client;

/// Builds the client and sends the requests.
pub(crate) async fn run(run: &Run) -> Outcome {
    match run.setting.client {
        Client::Bare => bare::run(run).await,
        Client::Raw => raw::run(run).await,
        Client::Lean => lean::run(run).await,
        Client::HandBare => hand::around_bare(run).await,
        Client::HandLean => hand::around_lean(run).await,
        Client::Outbound => outbound::run(run).await,
        Client::Layers => layers::run(run).await,
        Client::TraceLayer => trace_layer::run(run).await,
        Client::TowerOtel => tower_otel::run(run).await,
        Client::ReqwestMiddleware => reqwest_middleware::run(run).await,
    }
}
