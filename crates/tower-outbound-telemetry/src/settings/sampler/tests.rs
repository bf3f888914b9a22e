use super::super::testing::{resolve, warned};

const SAMPLER: &str = "OTEL_TRACES_SAMPLER";
const ARG: &str = "OTEL_TRACES_SAMPLER_ARG";

#[test]
fn sampler_standard_names_are_known() {
    for (value, expected) in [
        ("always_on", "AlwaysOn"),
        ("always_off", "AlwaysOff"),
        ("traceidratio", "TraceIdRatioBased(0.25)"),
        ("parentbased_always_on", "ParentBased(AlwaysOn)"),
        ("parentbased_always_off", "ParentBased(AlwaysOff)"),
        ("ParentBased_TraceIdRatio", "ParentBased(TraceIdRatioBased(0.25))"),
    ] {
        let settings = resolve(&[(SAMPLER, value), (ARG, "0.25")]);
        assert_eq!((format!("{:?}", settings.sampler).as_str(), warned(&settings)), (expected, vec![]));
    }
}

#[test]
fn sampler_invalid_ratio_warns_and_samples_all() {
    for (value, understood) in [
        ("0", true),
        ("1", true),
        ("", true),
        ("1.01", false),
        ("-0.1", false),
        ("NaN", false),
        ("inf", false),
        ("50%", false),
    ] {
        let settings = resolve(&[(SAMPLER, "traceidratio"), (ARG, value)]);
        let expected = if understood { vec![] } else { vec![(ARG, value, "1.0")] };
        assert_eq!(warned(&settings), expected);
        let ratio = if value == "0" { "0.0" } else { "1.0" };
        assert_eq!(format!("{:?}", settings.sampler), format!("TraceIdRatioBased({ratio})"));
    }
}

#[test]
fn sampler_unknown_warns_and_ignores_argument() {
    let settings = resolve(&[(SAMPLER, "jaeger_remote"), (ARG, "endpoint=http://localhost:14250")]);
    assert_eq!(warned(&settings), [(SAMPLER, "jaeger_remote", "parentbased_always_on")]);
    assert_eq!(format!("{:?}", settings.sampler), "ParentBased(AlwaysOn)");
}
