//! Envoy as the server, or in front of a failing server.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use http::Request;
use outbound_tests::certs::Certs;
use outbound_tests::gate::Gate;
use outbound_tests::peers::{Daemon, ENVOY, Envoy};
use outbound_tests::server::{Script, ScriptedServer};
use rustls::version::{TLS12, TLS13};
use serde_json::{Value, json};
use tower_outbound::SendState;
use tower_outbound::timeouts::Timeouts;

use super::caller::{Caller, Options, Reported, empty, until};
use super::http::Http;
use outbound_tests::peers::checks::Check;

/// Long enough to write a request on a busy machine.
const LIMIT: Duration = Duration::from_millis(700);
const TYPES: &str = "type.googleapis.com/envoy.extensions";

pub(super) fn checks() -> Vec<Check> {
    vec![
        Check::new("delays_an_answer", ENVOY, delays),
        Check::new("aborts_with_an_answer", ENVOY, aborts),
        Check::new("loses_its_server_amid_a_body", ENVOY, server_lost),
        Check::new("gives_up_amid_a_body", ENVOY, gives_up),
        Check::new("refuses_streams_over_its_limit", ENVOY, refuses_streams),
        Check::new("goes_away_with_an_answer", ENVOY, goes_away),
        Check::new("wants_a_client_certificate", ENVOY, client_certificate),
        Check::new("gets_tls_on_its_plain_port", ENVOY, tls_on_plain),
    ]
}

/// An HTTP listener.
struct Config {
    /// The route of all paths.
    route: Value,
    /// Further options of the connection manager.
    manager: Value,
    /// Further filters before the router.
    filters: Vec<Value>,
    upstream: Option<SocketAddr>,
    tls: Option<Value>,
}

impl Config {
    fn new(route: Value) -> Config {
        Config { route, manager: json!({}), filters: Vec::new(), upstream: None, tls: None }
    }

    fn tls(self, http: Http, certs: &Certs, clients: Option<&Certs>) -> Config {
        let mut common = json!({
            "tls_certificates": [{
                "certificate_chain": {"inline_string": certs.certificate_pem()},
                "private_key": {"inline_string": certs.key_pem()},
            }],
            "alpn_protocols": [if http == Http::One { "http/1.1" } else { "h2" }],
        });
        if let Some(clients) = clients {
            common["validation_context"] = json!({"trusted_ca": {"inline_string": clients.authority_pem()}});
        }
        let socket = json!({
            "name": "tls",
            "typed_config": {
                "@type": format!("{TYPES}.transport_sockets.tls.v3.DownstreamTlsContext"),
                "require_client_certificate": clients.is_some(),
                "common_tls_context": common,
            },
        });
        Config { tls: Some(socket), ..self }
    }

    async fn start(self) -> Daemon {
        Envoy::start(|address, admin| self.text(address, admin).to_string()).await.unwrap()
    }

    fn text(&self, address: SocketAddr, admin: SocketAddr) -> Value {
        let mut filters = self.filters.clone();
        filters.push(typed("router", "filters.http.router.v3.Router", &json!({})));
        let mut manager = json!({
            "stat_prefix": "front",
            "codec_type": "AUTO",
            "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
                merged(json!({"match": {"prefix": "/"}}), &self.route),
            ]}]},
            "http_filters": filters,
            "access_log": [typed("log", "access_loggers.file.v3.FileAccessLog", &json!({
                "path": "access.log",
                "log_format": {"text_format_source": {"inline_string": "%REQ(:PATH)% %RESPONSE_CODE%\n"}},
            }))],
        });
        manager = merged(manager, &self.manager);
        let network = "filters.network.http_connection_manager.v3.HttpConnectionManager";
        let mut chain = json!({"filters": [typed("http", network, &manager)]});
        if let Some(tls) = &self.tls {
            chain["transport_socket"] = tls.clone();
        }
        let clusters = self.upstream.map(|upstream| {
            json!({
                "name": "server",
                "connect_timeout": "10s",
                "load_assignment": {"cluster_name": "server", "endpoints": [{"lb_endpoints": [
                    {"endpoint": {"address": socket(upstream)}},
                ]}]},
            })
        });
        json!({
            "admin": {"address": socket(admin)},
            "static_resources": {
                "listeners": [{"name": "front", "address": socket(address), "filter_chains": [chain]}],
                "clusters": Vec::from_iter(clusters),
            },
        })
    }
}

fn socket(address: SocketAddr) -> Value {
    json!({"socket_address": {"address": address.ip().to_string(), "port_value": address.port()}})
}

fn typed(name: &str, of: &str, config: &Value) -> Value {
    json!({"name": name, "typed_config": merged(json!({"@type": format!("{TYPES}.{of}")}), config)})
}

fn merged(mut one: Value, other: &Value) -> Value {
    for (key, value) in other.as_object().expect("an object") {
        one[key] = value.clone();
    }
    one
}

fn answers() -> Value {
    json!({"direct_response": {"status": 200, "body": {"inline_string": "hello"}}})
}

fn fault(config: &Value) -> Value {
    typed("fault", "filters.http.fault.v3.HTTPFault", config)
}

fn always(mut config: Value) -> Value {
    config["percentage"] = json!({"numerator": 100});
    config
}

/// Sends one request for `/fault` over each pair. Envoy's log has it once Envoy has ended.
async fn each(config: impl Fn() -> Config, limits: Timeouts, check: impl Fn(&Reported)) {
    for http in Http::BOTH {
        for tls in [false, true] {
            let certs = Certs::new("envoy.test");
            let config = if tls { config().tls(http, &certs, None) } else { config() };
            let scheme = if tls { "https" } else { "http" };
            let mut envoy = config.start().await;
            let tls = tls.then(|| certs.client_config(&[]));
            let caller = Caller::new(http, Options { tls, limits, ..Options::new() });
            let reported = caller.get(&envoy.uri(scheme, "/fault")).await;
            check(&reported);
            caller.close().await;
            envoy.end().await.unwrap();
            reported.logged(envoy.read("access.log").contains("/fault"), true);
        }
    }
}

async fn delays() {
    let config = || Config {
        filters: vec![fault(&json!({"delay": always(json!({"fixed_delay": "20s"}))}))],
        ..Config::new(answers())
    };
    each(config, Timeouts::new().first_byte(LIMIT), |reported| {
        reported.is(ENVOY, "no-answer");
    })
    .await;
}

/// A response, not a failure.
async fn aborts() {
    let config = || Config {
        filters: vec![fault(&json!({"abort": always(json!({"http_status": 503}))}))],
        ..Config::new(answers())
    };
    each(config, Timeouts::new(), |reported| {
        reported.has("ok", "–", "–");
        assert_eq!(reported.status, Some(503));
    })
    .await;
}

const HALF: &str = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello";

fn cut(reported: &Reported) {
    reported.is(ENVOY, if reported.http == Http::One { "fin-mid-body" } else { "rst-mid-body" });
    assert_eq!(reported.status, Some(200));
}

/// The server behind Envoy closes within the body: Envoy cuts the response, or resets the stream.
async fn server_lost() {
    let server = ScriptedServer::tcp(Script::new().read_request().write(HALF)).await.unwrap();
    let route = json!({"route": {"cluster": "server"}});
    let config = || Config { upstream: server.address(), ..Config::new(route.clone()) };
    each(config, Timeouts::new(), cut).await;
}

/// The server behind Envoy hangs within the body: Envoy's timeout cuts the response, or resets the stream.
async fn gives_up() {
    let server =
        ScriptedServer::tcp(Script::new().read_request().write(HALF).wait(&Gate::new())).await.unwrap();
    let limit = json!({"max_stream_duration": "0.5s"});
    let route = json!({"route": {"cluster": "server", "max_stream_duration": limit}});
    let config = || Config { upstream: server.address(), ..Config::new(route.clone()) };
    each(config, Timeouts::new(), cut).await;
}

/// Envoy is paused until all requests are written: the client sends them before it knows the limit.
async fn refuses_streams() {
    const AT_ONCE: usize = 4;
    let config = Config {
        filters: vec![fault(&json!({"delay": always(json!({"fixed_delay": "0.5s"}))}))],
        manager: json!({"http2_protocol_options": {"max_concurrent_streams": 1}}),
        ..Config::new(answers())
    };
    let mut envoy = config.start().await;
    let caller = Caller::plain(Http::Two);
    let uris = [0, 1, 2, 3].map(|number| envoy.uri("http", &format!("/fault/{number}")));
    envoy.pause().await.unwrap();
    let resume = async {
        // Each request has at least 600 bytes.
        until(|| caller.written() >= AT_ONCE as u64 * 600).await;
        envoy.resume().unwrap();
    };
    let requests = uris.iter().enumerate().map(|(number, uri)| {
        let request = Request::get(uri).header("x-pad", number.to_string().repeat(1_000));
        caller.send(request.body(empty()).unwrap())
    });
    let (reported, ()) = tokio::join!(join_all(requests), resume);
    caller.close().await;
    envoy.end().await.unwrap();
    let log = envoy.read("access.log");
    // Envoy serves the first stream, which any of the requests may have.
    let served = |number: usize| log.contains(&format!("/fault/{number} 200"));
    assert_eq!((0..AT_ONCE).filter(|number| served(*number)).count(), 1, "{log}");
    for (number, reported) in reported.iter().enumerate() {
        reported.logged(served(number), reported.status == Some(200));
        if !served(number) {
            reported.is(ENVOY, "refused-stream");
            assert_eq!(reported.send(), Some(SendState::NotProcessed));
        }
    }
}

/// A connection serves one request: that request still gets its response after the GOAWAY.
async fn goes_away() {
    for tls in [false, true] {
        let certs = Certs::new("envoy.test");
        let options = json!({"common_http_protocol_options": {"max_requests_per_connection": 1}});
        let config = Config { manager: options, ..Config::new(answers()) };
        let config = if tls { config.tls(Http::Two, &certs, None) } else { config };
        let mut envoy = config.start().await;
        let tls = tls.then(|| certs.client_config(&[]));
        let scheme = if tls.is_some() { "https" } else { "http" };
        let caller = Caller::new(Http::Two, Options { tls, ..Options::new() });
        let reported = caller.get(&envoy.uri(scheme, "/fault")).await;
        reported.is(ENVOY, "goaway-graceful-below-last-stream");
        caller.recorder.wait_until(|recorder| !recorder.close_reasons().is_empty()).await;
        assert_eq!(caller.recorder.close_reasons(), ["goaway"]);
        caller.close().await;
        envoy.end().await.unwrap();
        reported.logged(envoy.read("access.log").contains("/fault 200"), true);
    }
}

/// With TLS 1.3 the refusal comes after the client has completed its handshake.
async fn client_certificate() {
    for (version, slug) in
        [(&TLS12, "client-certificate-refused-tls12"), (&TLS13, "client-certificate-refused-tls13")]
    {
        for http in Http::BOTH {
            let (certs, clients) = (Certs::new("envoy.test"), Certs::new("client.test"));
            let mut envoy = Config::new(answers()).tls(http, &certs, Some(&clients)).start().await;
            let caller = Caller::new(http, Options::tls(super::haproxy::client(&certs, version)));
            let reported = caller.get(&envoy.uri("https", "/fault")).await;
            reported.is(ENVOY, slug);
            caller.close().await;
            envoy.end().await.unwrap();
            reported.logged(envoy.read("access.log").contains("/fault"), false);
        }
    }
}

async fn tls_on_plain() {
    for http in Http::BOTH {
        let certs = Certs::new("envoy.test");
        let mut envoy = Config::new(answers()).start().await;
        let caller = Caller::new(http, Options::tls(certs.client_config(&[])));
        let reported = caller.get(&envoy.uri("https", "/fault")).await;
        reported.is(ENVOY, "tls-on-http-port");
        assert_eq!(reported.send(), Some(SendState::NotSent));
        caller.close().await;
        envoy.end().await.unwrap();
        reported.logged(envoy.read("access.log").contains("/fault"), false);
    }
}
