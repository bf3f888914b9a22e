//! The report as a table and as JSON.

use tower_outbound::operation::Step;

use crate::*;

async fn timed_out() -> Report {
    let operation = start(&mail().step(Step::new("select").target("Ent\u{1b}[2Jw\u{fc}rfe")));
    operation.step("login", after(ms(12))).await.unwrap();
    operation.step("select", never()).await.unwrap_err();
    operation.finish()
}

#[tokio::test(start_paused = true)]
async fn operation_report_prints_as_table() {
    let expected = "\
mail: timed_out in select INBOX after 2.000 s
step    target        outcome      duration  error
login                 ok            0.012 s
select  INBOX         timed_out     1.988 s  deadline_exceeded
select  Archive       not_reached
logout                not_reached
select  Ent\u{fffd}[2Jw\u{fc}rfe  not_reached";
    assert_eq!(timed_out().await.to_string(), expected);

    let operation = start(&Operation::builder("ping").step("ping"));
    operation.step("ping", after(ms(1500))).await.unwrap();
    let expected =
        "ping: ok after 1.500 s\nstep  target  outcome  duration  error\nping          ok        1.500 s";
    assert_eq!(operation.finish().to_string(), expected);
}

#[cfg(all(feature = "serde", feature = "json"))]
#[tokio::test(start_paused = true)]
async fn operation_report_serialises() {
    let report = serde_json::to_value(timed_out().await).unwrap();
    let step = |name, target: Option<&str>, outcome, duration: Option<f64>, error: Option<&str>| {
        serde_json::json!({
            "name": name, "target": target, "outcome": outcome, "duration_s": duration, "error_type": error,
        })
    };
    let expected = serde_json::json!({
        "operation": "mail", "outcome": "timed_out", "timed_out_in": "select", "total_s": 2.0,
        "steps": [
            step("login", None, "ok", Some(0.012), None),
            step("select", Some("INBOX"), "timed_out", Some(1.988), Some("deadline_exceeded")),
            step("select", Some("Archive"), "not_reached", None, None),
            step("logout", None, "not_reached", None, None),
            step("select", Some("Ent\u{1b}[2Jw\u{fc}rfe"), "not_reached", None, None),
        ],
    });
    assert_eq!(report, expected);
}
