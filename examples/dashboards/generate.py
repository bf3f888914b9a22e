"""Writes outbound.json, the Grafana dashboard: one panel for each question of crates/tower-outbound/src/docs/on_call.md.

The script `generate` runs it with the library that it needs. With `--check` it writes nothing, and fails if outbound.json
is not what it would write.
"""

import json
import pathlib
import sys

from grafana_foundation_sdk.builders import dashboard, prometheus, text, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import AxisPlacement
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DataSourceRef,
    DynamicConfigValue,
    VariableRefresh,
)
from grafana_foundation_sdk.models.text import TextMode

OUT = pathlib.Path(__file__).with_name("outbound.json")
DATASOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")

# `job` is `service.name`. Telemetry's own metrics, resets and operations belong to no host.
JOB = 'job=~"$job"'
HOST = f'{JOB}, server_address=~"$host"'
# With `MetricLabel::OutboundPort` a host is a host and a port; without, the port is empty.
EACH_HOST = "server_address, server_port"
HOST_LEGEND = "{{server_address}} {{server_port}}"

# How a query reads its values, and what an axis shows.
RATE, SHARE, SECONDS, NUMBER = "reqps", "percentunit", "s", "short"


def per_second(metric, by, selector=HOST, where=""):
    """A counter's rate, summed."""
    where = f", {where}" if where else ""
    return f"sum by ({by}) (rate({metric}{{{selector}{where}}}[$__rate_interval]))"


def quantile(q, metric, by="", where=""):
    """A quantile of a histogram, in seconds: at most the bound of its bucket."""
    by = f"le, {by}" if by else "le"
    return f"histogram_quantile({q}, {per_second(f'{metric}_seconds_bucket', by, where=where)})"


def now(metric, by):
    """An up-down counter, summed."""
    return f"sum by ({by}) ({metric}{{{HOST}}})" if by else f"sum({metric}{{{HOST}}})"


PHASE = "outbound_phase_duration"
REQUESTS = "outbound_requests_total"
NEW = 'outbound_connection_reuse="new"'
# A request that failed before it had a connection says nothing about reuse.
KNOWN = 'outbound_connection_reuse!="unknown"'

# Each question of the guide, in its order: the unit, and the queries with their legends.
QUESTIONS = [
    (
        "Are connections reused?",
        "Share of the requests that a reused connection served. A new connection costs a connect.",
        SHARE,
        [
            (
                f"1 - {per_second(REQUESTS, EACH_HOST, where=NEW)} / {per_second(REQUESTS, EACH_HOST, where=KNOWN)}",
                HOST_LEGEND,
            ),
        ],
    ),
    (
        "Why are they not reused?",
        "Closed connections by reason: the guide says what to do about each.",
        "cps",
        [(per_second("outbound_connection_closed_total", "outbound_close_reason"), "{{outbound_close_reason}}")],
    ),
    (
        "Is it DNS, TCP or TLS?",
        "p99 of each part of a connect, and of whole connects that succeeded.",
        SECONDS,
        [
            (
                quantile(0.99, PHASE, "outbound_phase", 'outbound_phase=~"dns|tcp|tunnel|tls"'),
                "{{outbound_phase}} p99",
            ),
            (quantile(0.5, "outbound_connect_duration", where='error_type=""'), "connect p50"),
            (quantile(0.99, "outbound_connect_duration", where='error_type=""'), "connect p99"),
        ],
    ),
    (
        "Is it the server, or the wait for a connection?",
        "wait is the server's share, acquire the client's.",
        SECONDS,
        [
            (quantile(0.5, PHASE, "outbound_phase", 'outbound_phase=~"wait|acquire"'), "{{outbound_phase}} p50"),
            (quantile(0.99, PHASE, "outbound_phase", 'outbound_phase=~"wait|acquire"'), "{{outbound_phase}} p99"),
        ],
    ),
    (
        "Is it the server's own work, or transit and queueing?",
        "server is what the server says of itself in `Server-Timing`: `OtelObserverBuilder::server_timing(..)`. The rest of "
        "wait is the way to it and back.",
        SECONDS,
        [
            (quantile(0.5, "outbound_server_duration"), "server p50"),
            (quantile(0.5, PHASE, where='outbound_phase="wait"'), "wait p50"),
            (quantile(0.99, "outbound_server_duration"), "server p99"),
            (quantile(0.99, PHASE, where='outbound_phase="wait"'), "wait p99"),
        ],
    ),
    (
        "Is it one of our limits?",
        "p99 of the wait for a slot, in seconds; on the right the requests that have a slot, wait for one, or wait for "
        "a connection of the pool.",
        SECONDS,
        [
            (quantile(0.99, PHASE, where='outbound_phase="queue"'), "queue p99"),
            (now("outbound_slot_usage", ""), "in flight"),
            (now("outbound_slot_limit", ""), "limit"),
            (now("outbound_slot_waiting", ""), "waiting for a slot"),
            (now("outbound_connection_waiting", ""), "waiting for a connection"),
        ],
    ),
    (
        "How long until the first byte, with everything before it?",
        "From the start of an attempt, queue and connect included.",
        SECONDS,
        [
            (quantile(0.5, "outbound_ttfb_duration"), "p50"),
            (quantile(0.99, "outbound_ttfb_duration"), "p99"),
            (quantile(0.99, "outbound_ttfb_duration", "outbound_connection_reuse"), "{{outbound_connection_reuse}} p99"),
        ],
    ),
    (
        "Is it the size of the response?",
        "From the first byte of the response to the end of its body.",
        SECONDS,
        [
            (quantile(0.5, "outbound_body_duration"), "p50"),
            (quantile(0.99, "outbound_body_duration"), "p99"),
        ],
    ),
    (
        "What fails, and how?",
        "Attempts that failed: the kind of failure, or the status.",
        RATE,
        [
            (
                per_second("http_client_request_duration_seconds_count", "error_type", where='error_type!=""'),
                "{{error_type}}",
            ),
        ],
    ),
    (
        "Who cancels our requests?",
        "Requests that their caller gave up, by host. Their spans say in which phase.",
        RATE,
        [(per_second(REQUESTS, EACH_HOST, where='outbound_outcome="cancelled"'), HOST_LEGEND)],
    ),
    (
        "How many connections are open, and are they busy?",
        "Open connections by state.",
        NUMBER,
        [(now("http_client_open_connections", "http_connection_state"), "{{http_connection_state}}")],
    ),
    (
        "Is anything retried, and why?",
        "Retries by reason.",
        RATE,
        [(per_second("outbound_retries_total", "outbound_retry_reason"), "{{outbound_retry_reason}}")],
    ),
    (
        "Retries make it worse: how do I stop them?",
        "Retries as a share of the requests. Set `retry.max_retries = 0` in the settings: by file and SIGHUP, or by "
        "`outbound.apply(..)`.",
        SHARE,
        [
            (
                f"{per_second('outbound_retries_total', EACH_HOST)} / {per_second(REQUESTS, EACH_HOST)}",
                HOST_LEGEND,
            ),
        ],
    ),
    (
        "Why was a request not retried?",
        "Retries that were wanted and not made, by what prevented them.",
        RATE,
        [(per_second("outbound_retry_given_up_total", "outbound_retry_limit"), "{{outbound_retry_limit}}")],
    ),
    (
        "Where does the time of a call run out?",
        "Calls that their deadline cut, by phase.",
        RATE,
        [(per_second("outbound_deadline_elapsed_total", "outbound_phase"), "{{outbound_phase}}")],
    ),
    (
        "Which step of an operation hit the limit, and which were never reached?",
        "Steps that did not end well.",
        RATE,
        [
            (
                per_second(
                    "outbound_operation_steps_total",
                    "outbound_operation, outbound_step, outbound_outcome",
                    JOB,
                    'outbound_outcome!="ok"',
                ),
                "{{outbound_operation}} {{outbound_step}} {{outbound_outcome}}",
            ),
        ],
    ),
    (
        "Are connections opened for nothing?",
        "Opened connections, and connects that another connection overtook.",
        "cps",
        [
            (per_second("outbound_connection_opened_total", EACH_HOST), f"{HOST_LEGEND} opened"),
            (per_second("outbound_connect_wasted_total", EACH_HOST), f"{HOST_LEGEND} wasted"),
        ],
    ),
    (
        "The pool has gone bad: what can I do?",
        "Resets: `outbound.reset()` in code.",
        "cps",
        [(per_second("outbound_resets_total", "job, outbound_outcome", JOB), "{{job}} {{outbound_outcome}}")],
    ),
    (
        "Telemetry itself is too much now: what can I do without a restart?",
        "Exported spans and metric points, and settings that were applied. Set `telemetry.phases`, `telemetry.metrics` or `telemetry.observe`.",
        "cps",
        [
            (per_second("otel_sdk_exporter_span_exported_total", "job", JOB, 'error_type=""'), "{{job}} spans"),
            (
                per_second("otel_sdk_exporter_metric_data_point_exported_total", "job", JOB, 'error_type=""'),
                "{{job}} points",
            ),
            (
                per_second("outbound_config_reload_total", "job, outbound_outcome", JOB),
                "{{job}} settings {{outbound_outcome}}",
            ),
        ],
    ),
    (
        "What happened to this one request?",
        "No metric knows. Open its trace: the phases are child spans of the attempt, its connection setup is a child or "
        "a link. In the tracing backend search for the service with `error.type`, or for `http.request.resend_count`. "
        "The SDK has no exemplars yet: no point of these panels leads to a trace.",
        None,
        [],
    ),
    (
        "What happens right now, without a dashboard?",
        "The page of the crate `tower-outbound-page`, which the service itself serves: origins, open connections, the last "
        "slow and failed calls.",
        None,
        [],
    ),
    (
        "Is telemetry itself lost?",
        "Lost spans and metric points by reason. All panels are wrong while metric points are lost.",
        "cps",
        [
            (
                per_second("otel_sdk_exporter_span_exported_total", "error_type", JOB, 'error_type!=""'),
                "spans {{error_type}}",
            ),
            (
                per_second("otel_sdk_processor_span_processed_total", "error_type", JOB, 'error_type!=""'),
                "spans {{error_type}}",
            ),
            (
                per_second("otel_sdk_exporter_metric_data_point_exported_total", "error_type", JOB, 'error_type!=""'),
                "points {{error_type}}",
            ),
        ],
    ),
]


def variable(name, label, metric, source):
    """The values of a label, all of them chosen at first."""
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(DATASOURCE)
        .query(f"label_values({metric}, {source})")
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .multi(True)
        .include_all(True)
        .all_value(".*")
    )


def panel(title, description, unit, queries):
    if not queries:
        return text.Panel().title(title).mode(TextMode.MARKDOWN).content(description).height(8).span(12)
    built = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(DATASOURCE)
        .unit(unit)
        .min(0)
        # The SDK exports every 60 s by default; a rate needs four points.
        .interval("1m")
        .height(8)
        .span(12)
    )
    if unit == SHARE:
        built = built.max(1)
    for index, (expression, legend) in enumerate(queries):
        ref = chr(ord("A") + index)
        built = built.with_target(
            prometheus.Dataquery().expr(expression).legend_format(legend).range().ref_id(ref).datasource(DATASOURCE)
        )
        if unit == SECONDS and "_seconds_" not in expression:
            right = [
                DynamicConfigValue(id_val="unit", value=NUMBER),
                DynamicConfigValue(id_val="custom.axisPlacement", value=AxisPlacement.RIGHT),
            ]
            built = built.override_by_query(ref, right)
    return built


def build():
    built = (
        dashboard.Dashboard("Outbound requests")
        .uid("tower-outbound")
        .description("What tower-outbound records, by the questions of its guide for people on call.")
        .tags(["tower-outbound", "http"])
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .time("now-3h", "now")
        .refresh("1m")
        .with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
        .with_variable(variable("job", "Service", REQUESTS, "job"))
        .with_variable(variable("host", "Host", f'{REQUESTS}{{job=~"$job"}}', "server_address"))
    )
    for question in QUESTIONS:
        built = built.with_panel(panel(*question))
    return json.dumps(built.build(), cls=JSONEncoder, indent=2, sort_keys=True) + "\n"


def main():
    built = build()
    if sys.argv[1:] != ["--check"]:
        OUT.write_text(built)
    elif OUT.read_text() != built:
        sys.exit(f"{OUT.name} is not what generate.py makes: run it")


if __name__ == "__main__":
    main()
