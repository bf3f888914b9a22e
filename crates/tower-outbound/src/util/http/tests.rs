use http::HeaderValue;

use super::*;

#[test]
fn grpc_detected_by_whole_content_type() {
    for (content, expected) in [
        ("application/grpc", true),
        ("Application/gRPC", true),
        ("application/grpc+proto", true),
        ("application/grpc;charset=utf-8", true),
        ("application/grpc ; charset=utf-8", true),
        ("application/grpc-web", false),
        ("application/grpc-web+proto", false),
        ("application/grpcx", false),
        ("application/grp", false),
        (" application/grpc", false),
        ("application/json", false),
        ("", false),
    ] {
        let value = HeaderValue::from_bytes(content.as_bytes()).unwrap();
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, value)]);
        assert_eq!(has_grpc_content_type(&headers), expected, "{content:?}");
    }
    assert!(!has_grpc_content_type(&HeaderMap::new()));
}

#[test]
fn empty_body_announced_unless_request_says_otherwise() {
    let announced = |method: Method, headers: &[(&'static str, &'static str)], body: &'static str| {
        let mut request = Request::new(body.to_owned());
        *request.method_mut() = method;
        for (name, value) in headers {
            request.headers_mut().insert(*name, HeaderValue::from_static(value));
        }
        announce_empty_body(&mut request);
        request.headers().get(CONTENT_LENGTH).map(|length| length.to_str().unwrap().to_owned())
    };
    assert_eq!(announced(Method::POST, &[], "").as_deref(), Some("0"));
    assert_eq!(announced(Method::POST, &[], "x"), None, "hyper adds it");
    assert_eq!(announced(Method::POST, &[("content-length", "9")], "").as_deref(), Some("9"));
    assert_eq!(announced(Method::POST, &[("transfer-encoding", "chunked")], ""), None);
    assert_eq!(announced(Method::POST, &[("upgrade", "h2c"), ("connection", "upgrade")], ""), None);
    for method in [Method::GET, Method::HEAD, Method::DELETE, Method::OPTIONS, Method::CONNECT] {
        assert_eq!(announced(method.clone(), &[], ""), None, "{method}");
    }
}

#[test]
fn connection_option_found_in_any_value_and_case() {
    let mut headers = HeaderMap::new();
    headers.append(CONNECTION, HeaderValue::from_static("keep-alive, Close"));
    headers.append(CONNECTION, HeaderValue::from_static("upgrade"));
    let has = |option| NamedHeaders::of(&headers).has_connection_option(&headers, option);
    assert!(has("close") && has("upgrade"));
    assert!(!has("clos"));
}

#[test]
fn body_length_prefers_header_and_ignores_zero() {
    let request = |header: Option<&str>, body: &str| {
        let builder =
            header.map_or(Request::builder(), |value| Request::builder().header(CONTENT_LENGTH, value));
        let request = builder.body(body.to_owned()).unwrap();
        NamedHeaders::of(request.headers()).body_length(request.body())
    };
    assert_eq!(request(Some("7"), "abc"), Some(7));
    assert_eq!(request(Some("x"), "abc"), Some(3));
    assert_eq!(request(None, ""), None);
    assert_eq!(request(Some("0"), "abc"), None);
}

#[test]
fn host_port_brackets_ipv6_only() {
    assert_eq!(HostPort { host: "a.test", port: 80 }.to_string(), "a.test:80");
    assert_eq!(HostPort { host: "2001:db8::1", port: 443 }.to_string(), "[2001:db8::1]:443");
}

#[test]
fn keep_alive_timeout_is_read_among_parameters() {
    let timeout = |value: &'static str| {
        let headers: HeaderMap = [(KEEP_ALIVE, HeaderValue::from_static(value))].into_iter().collect();
        NamedHeaders::of(&headers).keep_alive_timeout().map(|timeout| timeout.as_secs())
    };
    assert_eq!(
        ["timeout=5", "max=9, Timeout = 60", "timeout=\"1\",max=2"].map(timeout),
        [Some(5), Some(60), Some(1)]
    );
    assert_eq!(["", "max=5", "timeout", "timeout=", "timeout=-1", "timeout=1.5"].map(timeout), [None; 6]);
    assert_eq!(NamedHeaders::of(&HeaderMap::new()).keep_alive_timeout(), None);
}

#[test]
fn event_stream_is_found_in_accept_and_content_type() {
    let with = |name, value| [(name, HeaderValue::from_static(value))].into_iter().collect::<HeaderMap>();
    for accepted in ["text/event-stream", "application/json, TEXT/event-stream;q=0.5", " text/event-stream "]
    {
        let headers = with(ACCEPT, accepted);
        assert!(NamedHeaders::of(&headers).accepts_event_stream(), "{accepted}");
    }
    for other in ["*/*", "text/*", "text/event-streams", "text/html;x=text/event-stream"] {
        let headers = with(ACCEPT, other);
        assert!(!NamedHeaders::of(&headers).accepts_event_stream(), "{other}");
    }
    let is = |value| NamedHeaders::of(&with(CONTENT_TYPE, value)).is_event_stream();
    assert!(is("text/event-stream; charset=utf-8") && is("Text/Event-Stream"));
    assert!(!is("text/plain") && !is("application/json"));
}
