//! hyper-util's pooled client and nothing else.

use std::time::Duration;

use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::client::legacy::{Builder, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::tls;
use crate::load::{Outcome, Run, Svc, Up};
use crate::settings::Traffic;
use crate::telemetry::Flush;

pub(super) async fn run(run: &Run) -> Outcome {
    let job = run.job();
    match job.traffic {
        Traffic::Tls => {
            let bare = over_tls(run);
            run.drive(|| Svc::new(bare.clone(), job.clone()), Flush::nothing()).await
        }
        traffic => {
            let bare = plain(traffic);
            run.drive(|| Svc::new(bare.clone(), job.clone()), Flush::nothing()).await
        }
    }
}

/// As the peers put their layers around it.
pub(crate) fn plain(traffic: Traffic) -> Client<HttpConnector, Up> {
    client(&mut Client::builder(TokioExecutor::new()), traffic, tcp())
}

/// With the settings of `OutboundClient`.
pub(crate) fn over_tls(run: &Run) -> Client<HttpsConnector<HttpConnector>, Up> {
    let mut tcp = tcp();
    tcp.enforce_http(false);
    let https = HttpsConnectorBuilder::new().with_tls_config(tls::config(&run.to)).https_or_http();
    let mut builder = Client::builder(TokioExecutor::new());
    builder.timer(TokioTimer::new()).pool_idle_timeout(Duration::from_secs(30));
    client(&mut builder, run.setting.traffic, https.enable_all_versions().wrap_connector(tcp))
}

fn tcp() -> HttpConnector {
    let mut tcp = HttpConnector::new();
    tcp.set_nodelay(true);
    tcp
}

fn client<C: Connect + Clone>(builder: &mut Builder, traffic: Traffic, connector: C) -> Client<C, Up> {
    builder.pool_timer(TokioTimer::new()).http2_only(traffic == Traffic::H2).build(connector)
}
