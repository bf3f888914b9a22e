use super::*;

const NOW: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

fn parsed(value: &str, date: Option<&str>) -> PeerDelay {
    let mut headers = HeaderMap::new();
    headers.insert(RETRY_AFTER, value.parse().unwrap());
    if let Some(date) = date {
        headers.insert(DATE, date.parse().unwrap());
    }
    retry_after(&headers, || httpdate::parse_http_date(NOW).unwrap())
}

#[test]
fn retry_after_seconds_are_whole_and_unsigned() {
    for (value, expected) in [
        ("0", PeerDelay::After(Duration::ZERO)),
        ("1", PeerDelay::After(Duration::from_secs(1))),
        (" 120 ", PeerDelay::After(Duration::from_secs(120))),
        ("18446744073709551616", PeerDelay::After(Duration::MAX)),
        ("-1", PeerDelay::Unspecified),
        ("+1", PeerDelay::Unspecified),
        ("1.5", PeerDelay::Unspecified),
        ("1s", PeerDelay::Unspecified),
        ("", PeerDelay::Unspecified),
        ("soon", PeerDelay::Unspecified),
    ] {
        assert_eq!(parsed(value, None), expected, "{value:?}");
    }
}

#[test]
fn retry_after_three_date_formats_are_parsed() {
    for date in
        ["Sun, 06 Nov 1994 08:50:07 GMT", "Sunday, 06-Nov-94 08:50:07 GMT", "Sun Nov  6 08:50:07 1994"]
    {
        assert_eq!(parsed(date, None), PeerDelay::After(Duration::from_secs(30)), "{date}");
    }
    assert_eq!(
        parsed("Sun, 06 Nov 1994 08:49:00 GMT", None),
        PeerDelay::After(Duration::ZERO),
        "in the past"
    );
    assert_eq!(parsed("Sun, 06 Nov 1994 08:49", None), PeerDelay::Unspecified);
    assert_eq!(parsed("Sun, 99 Nov 1994 08:49:37 GMT", None), PeerDelay::Unspecified);
}

#[test]
fn retry_after_date_relative_to_response_date() {
    let (at, date) = ("Sun, 06 Nov 1994 09:00:05 GMT", "Sun, 06 Nov 1994 09:00:00 GMT");
    assert_eq!(parsed(at, Some(date)), PeerDelay::After(Duration::from_secs(5)));
    assert_eq!(parsed(at, Some("garbage")), PeerDelay::After(Duration::from_secs(628)));
}

#[test]
fn grpc_pushback_not_in_milliseconds_forbids_retry() {
    let parsed = |value: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(PUSHBACK, value.parse().unwrap());
        pushback(&headers)
    };
    assert_eq!(pushback(&HeaderMap::new()), PeerDelay::Unspecified);
    assert_eq!(parsed("250"), PeerDelay::After(Duration::from_millis(250)));
    assert_eq!(parsed("0"), PeerDelay::After(Duration::ZERO));
    assert_eq!(parsed("-1"), PeerDelay::Never);
    assert_eq!(parsed("later"), PeerDelay::Never);
}
