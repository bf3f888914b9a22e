//! The lines of real attempts.

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Empty};
use outbound_tests::gate::Gate;
use outbound_tests::server::{Script, ScriptedServer, closed_port};
use tower_outbound::{Outbound, OutboundClient, UrlTemplate};

use super::*;
use crate::console::ConsoleObserver;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const CUT: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\no";

fn client() -> (OutboundClient, Printed) {
    let printed = Printed::default();
    let observer = ConsoleObserver::new().with_writer(printed.clone());
    (Outbound::builder().observer(observer).build().client_builder().build(), printed)
}

fn get(uri: &impl ToString) -> Request<Empty<Bytes>> {
    Request::get(uri.to_string()).body(Empty::new()).unwrap()
}

/// The writes, with N for each number.
fn shapes(printed: &Printed) -> Vec<String> {
    let shape = |text: String| {
        let words = text.split(' ').map(|word| match word.trim_end().parse::<f64>() {
            Ok(_) => word.replace(word.trim_end(), "N"),
            Err(_) => word.to_owned(),
        });
        words.collect::<Vec<_>>().join(" ")
    };
    printed.writes().into_iter().map(shape).collect()
}

#[tokio::test]
async fn console_attempt_is_single_line_with_template_without_path() {
    let server = ScriptedServer::tcp(Script::answering(OK)).await.unwrap();
    let (client, printed) = client();
    for template in [Some("/users/{id}"), None] {
        let mut request = get(&server.uri("/users/secret?token=secret"));
        if let Some(template) = template {
            request.extensions_mut().insert(UrlTemplate::from_static(template));
        }
        client.request(request).await.unwrap().into_body().collect().await.unwrap();
    }
    let origin = format!("http://{}", server.address().unwrap());
    assert_eq!(
        shapes(&printed),
        [
            format!(
                "GET {origin}/users/{{id}} → 200, tcp N send N wait N head N body N = N ms, connection N new\n"
            ),
            format!(
                "GET {origin} → 200, acquire N send N wait N head N body N = N ms, connection N reused\n"
            ),
        ]
    );
}

#[tokio::test]
async fn console_failed_attempt_prints_kind_and_phase() {
    let (client, printed) = client();
    let refused = closed_port().unwrap();
    client.request(get(&format!("http://{refused}/secret"))).await.unwrap_err();
    let server = ScriptedServer::tcp(Script::new().read_request().write(CUT).close()).await.unwrap();
    let response = client.request(get(&server.uri("/secret"))).await.unwrap();
    response.into_body().collect().await.unwrap_err();
    let cut = server.address().unwrap();
    let refusal =
        format!("GET http://{refused} → connection_refused in phase tcp, tcp N = N ms, no connection\n");
    assert_eq!(
        shapes(&printed),
        [
            refusal.clone(),
            // Two retries.
            refusal.clone(),
            refusal,
            format!(
                "GET http://{cut} → 200, then response_ended in phase body, tcp N send N wait N head N body N \
                 = N ms, connection N new\n"
            ),
        ]
    );
}

#[tokio::test]
async fn console_cancelled_attempt_prints_phase() {
    let asked = Gate::new();
    let server = ScriptedServer::tcp(Script::new().read_request().open(&asked).hang()).await.unwrap();
    let (client, printed) = client();
    tokio::select! {
        _ = client.request(get(&server.uri("/secret"))) => panic!("it was not answered"),
        () = asked.wait() => {}
    }
    let origin = format!("http://{}", server.address().unwrap());
    assert_eq!(
        shapes(&printed),
        [format!("GET {origin} → cancelled in phase wait, tcp N send N = N ms, connection N new\n")]
    );
}
