use super::*;

fn frame(kind: u8, flags: u8, stream: u8, payload: usize) -> Vec<u8> {
    let mut frame = vec![0, (payload >> 8) as u8, payload as u8, kind, flags, 0, 0, 0, stream];
    // A payload that looks like the header of a GOAWAY.
    frame.resize(HEAD + payload, GOAWAY);
    frame
}

fn changes(bytes: &[u8], piece: usize, sent: &[u8]) -> (Vec<StreamChange>, usize) {
    let mut streams = Streams::new();
    let mut seen = Vec::new();
    streams.sent(&[b' '; PREFACE], |_| panic!("the preface is no frame"));
    for chunk in sent.chunks(piece) {
        streams.sent(chunk, |change| seen.push(change));
    }
    for chunk in bytes.chunks(piece) {
        streams.received(chunk, |change| seen.push(change));
    }
    (seen, streams.open())
}

#[test]
fn frames_open_and_close_streams_at_any_byte_split() {
    let sent = [
        frame(4, 0, 0, 6),
        frame(HEADERS, 4, 1, 20),
        frame(DATA, 0, 1, 300),
        frame(HEADERS, 5, 1, 3),
        frame(HEADERS, 5, 3, 9),
        frame(HEADERS, 5, 5, 9),
        frame(RST_STREAM, 0, 5, 4),
    ]
    .concat();
    let received = [
        frame(HEADERS, 4, 1, 40),
        frame(DATA, 0, 1, 400),
        frame(HEADERS, 5, 3, 7),
        frame(DATA, 1, 1, 0),
        frame(RST_STREAM, 0, 1, 4),
    ]
    .concat();
    for piece in 1..=received.len() {
        let (seen, open) = changes(&received, piece, &sent);
        let opened = |change| match change {
            StreamChange::Opened { stream, upload, .. } => {
                format!("{stream}{}", if upload { " +" } else { "" })
            }
            StreamChange::Uploaded { stream } => format!("{stream} sent"),
            StreamChange::Answered { stream } => format!("{stream} answered"),
            StreamChange::Closed => "closed".to_owned(),
            other => panic!("{other:?}"),
        };
        let seen: Vec<_> = seen.into_iter().map(opened).collect();
        let expected = [
            "1 +",
            "1 sent",
            "3",
            "5",
            "5 sent",
            "closed",
            "3 answered",
            "closed",
            "1 answered",
            "closed",
            "1 sent",
        ];
        assert_eq!(seen, expected, "in pieces of {piece}");
        assert_eq!(open, 0);
    }
}

#[test]
fn frames_boundary_only_outside_frame_and_header_block() {
    let block =
        [frame(HEADERS, 0, 1, 20), frame(CONTINUATION, 0, 1, 5), frame(CONTINUATION, 4, 1, 0)].concat();
    for (bytes, boundaries) in [
        (frame(4, 0, 0, 6), vec![0, 15]),
        ([frame(DATA, 0, 1, 3), frame(6, 0, 0, 8)].concat(), vec![0, 12, 29]),
        ([frame(HEADERS, 4, 1, 1), frame(DATA, 0, 1, 0)].concat(), vec![0, 10, 19]),
        (block, vec![0, 52]),
    ] {
        let mut streams = Streams::new();
        let mut seen = Vec::new();
        for at in 0..=bytes.len() {
            if streams.is_between_frames() {
                seen.push(at);
            }
            streams.received(&bytes[at..bytes.len().min(at + 1)], |_| {});
        }
        assert_eq!(seen, boundaries);
    }
}

#[test]
fn goaway_reported_once_and_not_from_payload() {
    let received = [frame(4, 0, 0, 6), frame(DATA, 0, 1, 300), frame(GOAWAY, 0, 0, 8)].concat();
    for piece in 1..=received.len() {
        let seen = changes(&received, piece, &[]).0;
        assert!(matches!(seen[..], [StreamChange::GoAway { .. }]), "in pieces of {piece}: {seen:?}");
    }
}

#[test]
fn goaway_excludes_streams_after_last_stream_id() {
    let goaway = |last: u8| {
        let mut goaway = frame(GOAWAY, 0, 0, 8);
        goaway[HEAD..HEAD + 4].copy_from_slice(&[0, 0, 0, last]);
        goaway
    };
    for piece in 1..=20 {
        let mut streams = Streams::new();
        streams.sent(&[b' '; PREFACE], |_| {});
        let mut orders = vec![next_sequence()];
        for stream in [1, 3, 5] {
            streams.sent(&frame(HEADERS, 5, stream, 9), |_| {});
            orders.push(next_sequence());
        }
        let mut after = |last| {
            let mut seen = Vec::new();
            for chunk in goaway(last).chunks(piece) {
                streams.received(chunk, |change| seen.push(change));
            }
            match seen[..] {
                [StreamChange::GoAway { .. }] => None,
                [StreamChange::GoAway { last: seen, .. }, StreamChange::Excluded { after }] => {
                    assert_eq!(seen, u32::from(last));
                    Some(after)
                }
                _ => panic!("{seen:?}"),
            }
        };
        assert_eq!((after(7), after(0), after(3)), (None, Some(0), Some(0)));
        let last = after(5).unwrap();
        assert!(orders[2] < last && last < orders[3], "when the third stream went out");
        let mut seen = Vec::new();
        streams.sent(&frame(HEADERS, 5, 7, 9), |change| seen.push(change));
        assert!(matches!(
            seen[..],
            [StreamChange::Opened { stream: 7, .. }, StreamChange::Excluded { after: 0 }]
        ));
    }
}

#[test]
fn own_goaway_with_error_gives_up_at_any_byte_split() {
    let goaway = |code: u8| [&frame(GOAWAY, 0, 0, 8)[..HEAD], &[0, 0, 0, 1, 0, 0, 0, code]].concat();
    for piece in 1..=20 {
        for code in [0, 1, 11] {
            let sent = [frame(HEADERS, 5, 1, 9), goaway(code)].concat();
            let seen = changes(&[], piece, &sent).0.split_off(1);
            let expected: &[_] = if code == 0 { &[] } else { &[StreamChange::GaveUp { code: code.into() }] };
            assert_eq!(seen, expected, "in pieces of {piece}");
        }
    }
}

#[test]
fn own_goaway_that_is_not_written_gives_up() {
    let goaway = |code: u8| [&frame(GOAWAY, 0, 0, 8)[..HEAD], &[0, 0, 0, 1, 0, 0, 0, code]].concat();
    let mut streams = Streams::new();
    streams.sent(&[b' '; PREFACE], |_| {});
    let begun = frame(DATA, 0, 1, 30);
    streams.sent(&begun[..20], |_| {});
    let given_up = |goaway: Vec<u8>| {
        let rest = [begun[20..].to_vec(), goaway].concat();
        streams.would_give_up(rest.chunks(7))
    };
    assert_eq!([goaway(0), goaway(1), goaway(11), Vec::new()].map(given_up), [None, Some(1), Some(11), None]);
}

#[test]
fn ping_awaited_until_answer_or_own_goaway() {
    let mut streams = Streams::new();
    streams.sent(&[b' '; PREFACE], |_| {});
    streams.sent(&frame(PING, ACK, 0, 8), |_| {});
    assert!(!streams.awaits_ping(), "an answer to the peer's PING");
    streams.sent(&frame(PING, 0, 0, 8), |_| {});
    assert!(streams.awaits_ping());
    streams.received(&frame(PING, 0, 0, 8), |_| {});
    assert!(streams.awaits_ping(), "a PING of the peer is no answer");
    streams.received(&frame(PING, ACK, 0, 8), |_| {});
    assert!(!streams.awaits_ping());
    streams.sent(&frame(PING, 0, 0, 8), |_| {});
    streams.sent(&frame(GOAWAY, 0, 0, 8), |_| {});
    assert!(!streams.awaits_ping());
}

#[test]
fn would_open_only_for_headers_of_new_stream() {
    let mut streams = Streams::new();
    streams.sent(&[b' '; PREFACE], |_| {});
    streams.sent(&frame(HEADERS, 4, 1, 9), |_| {});
    let opens = |bytes: &[u8]| streams.would_open(bytes.chunks(7));
    assert!(!opens(&[frame(HEADERS, 5, 1, 3), frame(DATA, 0, 1, 300), frame(GOAWAY, 0, 0, 8)].concat()));
    assert!(opens(&[frame(DATA, 0, 1, 300), frame(HEADERS, 5, 3, 3)].concat()));
}
