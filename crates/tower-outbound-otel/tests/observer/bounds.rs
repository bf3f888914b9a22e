//! Bounds of the number of series.

use std::collections::BTreeSet;

use tower_outbound::Outbound;
use tower_outbound_otel::{Hosts, Phases};

use crate::support::*;

async fn pairs_after(hosts: Hosts, requests: usize) -> BTreeSet<(String, String)> {
    let rig = Rig::new();
    let observer = rig.observer().hosts(hosts).build();
    let service = answering(&Outbound::builder().observer(observer).build(), 200);
    for at in 0..requests {
        attempt(&service, get(format!("http://host-{at}.example:81/").as_str())).await;
    }
    let series = rig.series("http.client.request.duration");
    assert_eq!(series.iter().map(|series| series.value).sum::<f64>(), requests as f64, "no attempt is lost");
    for metric in ["http.client.active_requests", "outbound.requests", "outbound.ttfb.duration"] {
        assert!(rig.series(metric).len() <= series.len(), "{metric}");
    }
    series
        .into_iter()
        .map(|mut series| {
            let mut take = |key| series.attributes.remove(key).unwrap();
            (take("server.address"), take("server.port"))
        })
        .collect()
}

#[tokio::test]
async fn hosts_10000_yield_101_metric_series() {
    let pairs = pairs_after(Hosts::default(), 10_000).await;
    assert_eq!(pairs.len(), 101);
    assert!(pairs.contains(&("host-99.example".into(), "81".into())));
    assert!(pairs.contains(&("_OTHER".into(), "0".into())));
}

#[tokio::test]
async fn hosts_listed_are_only_hosts_with_own_series() {
    let listed = Hosts::Listed(vec!["host-7.example:81".into(), "host-8.example:82".into()]);
    let pairs = pairs_after(listed, 20).await;
    let expected = [("_OTHER", "0"), ("host-7.example", "81")];
    assert_eq!(pairs, expected.map(|(host, port)| (host.to_owned(), port.to_owned())).into());
}

#[tokio::test]
async fn metrics_invented_methods_and_status_codes_lose_no_count() {
    let rig = Rig::new();
    let outbound = rig.outbound();
    for code in 200..600 {
        let mut request = get("http://a.example/");
        *request.method_mut() = http::Method::from_bytes(format!("M{code}").as_bytes()).unwrap();
        attempt(&answering(&outbound, code), request).await;
    }
    let series = rig.series("http.client.request.duration");
    assert_eq!(series.iter().map(|series| series.value).sum::<f64>(), 400.0);
    assert!(series.iter().all(|series| series.attributes["http.request.method"] == "_OTHER"));
    assert_eq!(rig.values("http.client.active_requests").len(), 1);
}

#[tokio::test]
async fn metrics_900_statuses_on_101_hosts_yield_two_series_each() {
    let rig = Rig::new();
    let observer = rig.observer().phases(Phases::Off).build();
    let outbound = Outbound::builder().observer(observer).build();
    let registered = |code: u16| http::StatusCode::from_u16(code).unwrap().canonical_reason().is_some();
    let invented: Vec<u16> = (200..1000).filter(|code| !registered(*code)).collect();
    for host in 0..101 {
        for code in &invented {
            let request = get(format!("http://host-{host}.example/").as_str());
            attempt(&answering(&outbound, *code), request).await;
        }
    }
    let series = rig.series("http.client.request.duration");
    assert_eq!(series.len(), 202, "with and without an error");
    let counted = series.iter().map(|series| series.value).sum::<f64>();
    assert_eq!(counted, (101 * invented.len()) as f64);
    for series in series {
        assert!(!series.attributes.contains_key("http.response.status_code"));
        assert!(series.attributes.get("error.type").is_none_or(|error| error == "_OTHER"));
    }
    let statuses: BTreeSet<_> =
        rig.spans().iter().map(|span| attributes(span)["http.response.status_code"].clone()).collect();
    assert_eq!(statuses.len(), invented.len(), "spans keep the number");
}
