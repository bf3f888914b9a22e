//! The kinds and their classes as the telemetry contract lists them.

use std::collections::BTreeMap;

use tower_outbound::{Class, Kind};

const EXPECTED: &[(&str, Option<Class>)] = &[
    ("name_resolution_error", Some(Class::Network)),
    ("connection_refused", Some(Class::ConnectionRefused)),
    ("connection_reset", Some(Class::ConnectionReset)),
    ("connection_aborted", Some(Class::ConnectionReset)),
    ("host_unreachable", Some(Class::Network)),
    ("network_unreachable", Some(Class::Network)),
    ("address_not_available", Some(Class::Network)),
    ("too_many_open_sockets", Some(Class::Network)),
    ("access_denied", Some(Class::Network)),
    ("connection_error", Some(Class::Network)),
    ("proxy_tunnel_error", Some(Class::Network)),
    ("user_authentication_error", Some(Class::Network)),
    ("secure_connection_error", Some(Class::Network)),
    ("version_negotiation_error", Some(Class::Network)),
    ("pool_timeout", Some(Class::Timeout)),
    ("queue_full", None),
    ("deadline_exceeded", Some(Class::Timeout)),
    ("connect_timeout", Some(Class::Timeout)),
    ("tls_timeout", Some(Class::Timeout)),
    ("write_timeout", Some(Class::Timeout)),
    ("response_timeout", Some(Class::Timeout)),
    ("body_timeout", Some(Class::Timeout)),
    ("http_protocol_error", Some(Class::Network)),
    ("invalid_response", Some(Class::Network)),
    ("response_ended", Some(Class::ConnectionReset)),
    ("configuration_limit_exceeded", Some(Class::Network)),
    ("stream_refused", Some(Class::ConnectionReset)),
    ("stream_reset", Some(Class::ConnectionReset)),
    ("goaway", Some(Class::ConnectionReset)),
    ("invalid_request", None),
    ("request_body_error", None),
    ("_OTHER", None),
];

#[test]
fn failure_kinds_and_classes_match_contract() {
    let found: BTreeMap<_, _> = Kind::ALL.iter().map(|kind| (kind.as_str(), kind.class())).collect();
    assert_eq!(found.len(), Kind::ALL.len(), "two kinds have one name");
    assert_eq!(found, EXPECTED.iter().copied().collect());
}

#[test]
fn failure_class_names_match_contract() {
    let names = [Class::Timeout, Class::ConnectionRefused, Class::ConnectionReset, Class::Network];
    let names = names.map(Class::as_str);
    assert_eq!(names, ["timeout", "connection_refused", "connection_reset", "network_error"]);
}
