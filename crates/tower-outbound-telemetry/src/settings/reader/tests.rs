use super::*;

fn read<T>(value: &'static str, read: impl Fn(&mut Reader<'_>) -> T) -> (T, Vec<String>) {
    let lookup = move |key: &str| (key == "KEY").then(|| value.to_owned());
    let mut reader = Reader::new(&lookup);
    let got = read(&mut reader);
    (got, reader.into_warnings().iter().map(|warning| warning.used().to_owned()).collect())
}

#[test]
fn reader_number_trimmed_and_range_checked() {
    let cases = [
        (" 5\n", 5, true),
        ("2147483647", 2_147_483_647, true),
        ("", 7, true),
        (" ", 7, true),
        ("0", 7, false),
        ("2147483648", 7, false),
        ("18446744073709551616", 7, false),
        ("-1", 7, false),
        ("1.5", 7, false),
        ("1e3", 7, false),
        ("10s", 7, false),
        ("1 000", 7, false),
    ];
    for (value, expected, understood) in cases {
        let warned = if understood { vec![] } else { vec!["7".to_owned()] };
        let got = read(value, |reader| reader.number(&["KEY"], 7, 1..=MAX));
        assert_eq!(got, (expected, warned), "{value:?}");
    }
}

#[test]
fn reader_zero_timeout_is_unlimited() {
    let got = read("0", |reader| reader.timeout(&["KEY"], 7));
    assert_eq!(got, (Duration::from_millis(2_147_483_647), vec![]));
}

#[test]
fn reader_list_deduplicated_and_none_only_alone() {
    let cases: [(&str, &[&str], Option<&str>); 8] = [
        ("b, A ,b,", &["b", "a"], None),
        ("NONE", &[], None),
        ("none,b", &["b"], Some("b")),
        ("x", &["a"], Some("a")),
        ("x,b", &["b"], Some("b")),
        ("x,none", &[], Some("none")),
        ("y,b", &["b"], Some("b (y is missing)")),
        (" , ", &["a"], Some("a")),
    ];
    for (value, expected, warned) in cases {
        let note = |name: &str| (name == "y").then_some("y is missing");
        let got = read(value, |reader| reader.list("KEY", &["a", "b"], &["a"], note));
        let warned: Vec<_> = warned.into_iter().map(str::to_owned).collect();
        assert_eq!(got, (expected.to_vec(), warned), "{value:?}");
    }
}
