use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn final_head_at(pieces: &[&[u8]]) -> Option<Duration> {
    let start = Instant::now();
    let mut heads = ResponseHeads::default();
    let found = pieces
        .iter()
        .zip(0..)
        .find_map(|(piece, index)| heads.read(piece, start + Duration::from_secs(index)));
    found.map(|at| at - start)
}

fn line_end() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just("\r\n"), Just("\n")]
}

/// An interim head, as hyper accepts one.
fn interim() -> impl Strategy<Value = String> {
    let code = prop_oneof![Just(100), 102..200];
    let reason = prop_oneof![Just(""), Just(" "), Just(" Early Hints")];
    let field = prop_oneof![
        Just("link: </a>; rel=preload"),
        Just("x:"),
        Just("x: 1\r\n folded"),
        Just("HTTP/1.1: 200")
    ];
    let version = prop_oneof![Just("HTTP/1.1"), Just("HTTP/1.0")];
    let before = prop_oneof![4 => Just(""), 1 => Just("\r\n"), 1 => Just("\n")];
    (
        before,
        version,
        code,
        reason,
        proptest::collection::vec((field, line_end()), 0..4),
        line_end(),
        line_end(),
    )
        .prop_map(|(before, version, code, reason, fields, end, last)| {
            let fields: String = fields.into_iter().flat_map(|(field, end)| [field, end]).collect();
            format!("{before}{version} {code}{reason}{end}{fields}{last}")
        })
}

fn final_head() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        Just("HTTP/1.1 200 OK\r\n\r\n"),
        Just("HTTP/1.0 404 No\r\n\r\n"),
        Just("HTTP/1.1 101 Switching Protocols\r\n\r\n"),
        Just("HTTP/1.1 599\n\n"),
        Just("SSH-2.0-no\r\n"),
    ]
}

proptest! {
    #[test]
    fn final_head_found_after_interim_heads_at_any_cut(
        interim in proptest::collection::vec(interim(), 0..4),
        last in final_head(),
        seed in any::<u64>(),
    ) {
        let before = interim.concat();
        let all = format!("{before}{last}");
        // Every place of one cut; a second one before or after it.
        for cut in 0..=all.len() {
            let other = usize::try_from(seed % (all.len() as u64 + 1)).unwrap();
            let (first, second) = (cut.min(other), cut.max(other));
            let pieces = [&all.as_bytes()[..first], &all.as_bytes()[first..second], &all.as_bytes()[second..]];
            // The head began in the piece that has its first byte.
            let expected = [first, second, all.len()].iter().position(|end| before.len() < *end).unwrap();
            prop_assert_eq!(final_head_at(&pieces), Some(Duration::from_secs(expected as u64)), "{:?}", all);
        }
        let bytes: Vec<_> = all.as_bytes().chunks(1).collect();
        prop_assert_eq!(final_head_at(&bytes), Some(Duration::from_secs(before.len() as u64)), "{:?}", all);
        // Neither the interim heads nor a cut status line are an answer.
        for end in 0..=before.len() {
            prop_assert_eq!(final_head_at(&[&all.as_bytes()[..end]]), None, "{:?}", &all[..end]);
        }
    }
}

#[test]
fn final_head_found_where_connection_ends_within_its_first_line() {
    for (bytes, found) in
        [("", false), ("\r\n", false), ("H", true), ("HTTP/1.1 1", true), ("HTTP/1.1 100 C", false)]
    {
        let mut heads = ResponseHeads::default();
        assert_eq!(heads.read(bytes.as_bytes(), Instant::now()), None);
        assert_eq!(heads.end().is_some(), found, "{bytes:?}");
    }
}
