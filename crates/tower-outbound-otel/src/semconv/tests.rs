use opentelemetry_semantic_conventions as semconv;

use super::*;

#[test]
fn schema_url_version_equals_conventions_table() {
    let tables = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conventions");
    let files = std::fs::read_dir(tables).unwrap().map(|file| file.unwrap().path());
    let versions: Vec<_> = files.map(|file| file.file_stem().unwrap().to_owned()).collect();
    let version = SCHEMA_URL.rsplit('/').next().unwrap();
    assert_eq!(versions, [format!("v{version}").as_str()]);
}

#[test]
fn names_equal_semantic_conventions() {
    use semconv::attribute as theirs;
    for (ours, theirs) in [
        (attribute::DNS_ANSWERS, theirs::DNS_ANSWERS),
        (attribute::DNS_QUESTION_NAME, theirs::DNS_QUESTION_NAME),
        (attribute::ERROR_TYPE, theirs::ERROR_TYPE),
        (attribute::HTTP_CONNECTION_STATE, theirs::HTTP_CONNECTION_STATE),
        (attribute::HTTP_REQUEST_BODY_SIZE, theirs::HTTP_REQUEST_BODY_SIZE),
        (attribute::HTTP_REQUEST_METHOD, theirs::HTTP_REQUEST_METHOD),
        (attribute::HTTP_REQUEST_METHOD_ORIGINAL, theirs::HTTP_REQUEST_METHOD_ORIGINAL),
        (attribute::HTTP_REQUEST_RESEND_COUNT, theirs::HTTP_REQUEST_RESEND_COUNT),
        (attribute::HTTP_RESPONSE_BODY_SIZE, theirs::HTTP_RESPONSE_BODY_SIZE),
        (attribute::HTTP_RESPONSE_STATUS_CODE, theirs::HTTP_RESPONSE_STATUS_CODE),
        (attribute::NETWORK_IO_DIRECTION, theirs::NETWORK_IO_DIRECTION),
        (attribute::NETWORK_PEER_ADDRESS, theirs::NETWORK_PEER_ADDRESS),
        (attribute::NETWORK_PEER_PORT, theirs::NETWORK_PEER_PORT),
        (attribute::NETWORK_PROTOCOL_VERSION, theirs::NETWORK_PROTOCOL_VERSION),
        (attribute::NETWORK_TYPE, theirs::NETWORK_TYPE),
        (attribute::RPC_METHOD, theirs::RPC_METHOD),
        (attribute::RPC_METHOD_ORIGINAL, theirs::RPC_METHOD_ORIGINAL),
        (attribute::RPC_RESPONSE_STATUS_CODE, theirs::RPC_RESPONSE_STATUS_CODE),
        (attribute::RPC_SYSTEM_NAME, theirs::RPC_SYSTEM_NAME),
        (attribute::SERVER_ADDRESS, theirs::SERVER_ADDRESS),
        (attribute::SERVER_PORT, theirs::SERVER_PORT),
        (attribute::TLS_CIPHER, theirs::TLS_CIPHER),
        (attribute::TLS_NEXT_PROTOCOL, theirs::TLS_NEXT_PROTOCOL),
        (attribute::TLS_PROTOCOL_NAME, theirs::TLS_PROTOCOL_NAME),
        (attribute::TLS_PROTOCOL_VERSION, theirs::TLS_PROTOCOL_VERSION),
        (attribute::TLS_RESUMED, theirs::TLS_RESUMED),
        (attribute::URL_FULL, theirs::URL_FULL),
        (attribute::URL_SCHEME, theirs::URL_SCHEME),
        (attribute::URL_TEMPLATE, theirs::URL_TEMPLATE),
        (attribute::USER_AGENT_ORIGINAL, theirs::USER_AGENT_ORIGINAL),
        (metric::ACTIVE_REQUESTS, semconv::metric::HTTP_CLIENT_ACTIVE_REQUESTS),
        (metric::CONNECTION_DURATION, semconv::metric::HTTP_CLIENT_CONNECTION_DURATION),
        (metric::DNS_LOOKUP_DURATION, semconv::metric::DNS_LOOKUP_DURATION),
        (metric::OPEN_CONNECTIONS, semconv::metric::HTTP_CLIENT_OPEN_CONNECTIONS),
        (metric::REQUEST_BODY_SIZE, semconv::metric::HTTP_CLIENT_REQUEST_BODY_SIZE),
        (metric::REQUEST_DURATION, semconv::metric::HTTP_CLIENT_REQUEST_DURATION),
        (metric::RESPONSE_BODY_SIZE, semconv::metric::HTTP_CLIENT_RESPONSE_BODY_SIZE),
        (metric::RPC_CALL_DURATION, semconv::metric::RPC_CLIENT_CALL_DURATION),
    ] {
        assert_eq!(ours, theirs);
    }
}
