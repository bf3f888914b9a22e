"""Writes panels.svg: the panels of outbound.json as their queries fill them, from a running Prometheus.

    python3 picture.py http://localhost:9090 [SECONDS]

draws the last SECONDS (default: 300). Panels without data are left out. No Grafana is needed, and no library.
"""

import json
import math
import pathlib
import sys
import time
import urllib.parse
import urllib.request
from xml.sax.saxutils import escape

HERE = pathlib.Path(__file__).parent
COLORS = ["#3274d9", "#e0752d", "#299c46", "#a352cc", "#c4162a", "#8f8f00", "#0a7f8f", "#7c5a3a"]
COLUMNS, WIDTH, HEIGHT, GAP = 3, 380, 210, 10
# Of a panel: above its curves the title, below them the legend.
TOP, BOTTOM, SIDE = 26, 50, 46
POINTS = 60


def ask(server, expression, start, end):
    """The series of a range query: their labels and points."""
    step = max(1, round((end - start) / POINTS))
    query = {"query": expression, "start": start, "end": end, "step": step}
    url = f"{server}/api/v1/query_range?{urllib.parse.urlencode(query)}"
    with urllib.request.urlopen(url, timeout=10) as answer:
        result = json.load(answer)["data"]["result"]
    for series in result:
        points = [(float(at), float(value)) for at, value in series["values"]]
        points = [point for point in points if math.isfinite(point[1])]
        if points:
            yield series["metric"], points


def legend(text, labels):
    """A legend with its labels filled in, as Grafana does it."""
    for name, value in labels.items():
        text = text.replace("{{" + name + "}}", value)
    while "{{" in text:
        text = text[: text.index("{{")] + text[text.index("}}") + 2 :]
    return text.strip() or "value"


def curves(panel, server, start, end, window):
    for target in panel.get("targets", []):
        expression = target["expr"]
        for variable, value in {
            "$__rate_interval": window, "$job": ".*", "$host": ".*", "${job}": ".*", "${host}": ".*"
        }.items():
            expression = expression.replace(variable, value)
        for labels, points in ask(server, expression, start, end):
            yield legend(target.get("legendFormat", ""), labels), points


def shown(value, unit):
    if unit == "percentunit":
        return f"{value * 100:.1f} %"
    if unit == "s":
        return f"{value * 1e3:.1f} ms" if abs(value) < 1 else f"{value:.2f} s"
    rate = "/s" if unit in ("reqps", "cps") else ""
    return f"{value:.3g}{rate}"


def draw(panel, lines, start, end, left, top):
    unit = panel.get("fieldConfig", {}).get("defaults", {}).get("unit", "")
    largest = max(value for _, points in lines for _, value in points) or 1
    x = lambda at: left + SIDE + (at - start) / (end - start) * (WIDTH - SIDE - 8)
    y = lambda value: top + HEIGHT - BOTTOM - value / largest * (HEIGHT - TOP - BOTTOM)
    yield f'<rect x="{left}" y="{top}" width="{WIDTH}" height="{HEIGHT}" class="panel"/>'
    yield f'<text x="{left + 8}" y="{top + 17}" class="title">{escape(panel["title"][:52])}</text>'
    for value in (0, largest / 2, largest):
        yield f'<path d="M{left + SIDE} {y(value):.1f}H{left + WIDTH - 8}" class="grid"/>'
        yield f'<text x="{left + SIDE - 4}" y="{y(value) + 3:.1f}" class="axis">{shown(value, unit)}</text>'
    # The largest at last: what the legend has room for.
    lines = sorted(lines, key=lambda line: -line[1][-1][1])
    for index, (name, points) in enumerate(lines):
        color = COLORS[index % len(COLORS)]
        path = "L".join(f"{x(at):.1f} {y(value):.1f}" for at, value in points)
        yield f'<path d="M{path}" stroke="{color}" class="line"/>'
        if index < 6:
            across, down = index % 2, index // 2
            at_x, at_y = left + 10 + across * (WIDTH - 14) / 2, top + HEIGHT - BOTTOM + 16 + down * 13
            text = f"{name[:24]} {shown(points[-1][1], unit)}"
            yield f'<text x="{at_x:.0f}" y="{at_y}" class="key" fill="{color}">{escape(text)}</text>'


def main():
    server = sys.argv[1].rstrip("/")
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else 300
    end = time.time()
    start = end - seconds
    panels = json.loads((HERE / "outbound.json").read_text())["panels"]
    filled = []
    for panel in panels:
        lines = list(curves(panel, server, start, end, f"{max(seconds // 5, 15)}s"))
        if lines:
            filled.append((panel, lines))
    rows = math.ceil(len(filled) / COLUMNS)
    size = (COLUMNS * (WIDTH + GAP) + GAP, rows * (HEIGHT + GAP) + GAP)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size[0]} {size[1]}" font-family="sans-serif">',
        "<style>.panel{fill:#fff;stroke:#ccc}.title{font-size:12px;font-weight:bold;fill:#222}.grid{stroke:#eee}"
        ".axis{font-size:9px;fill:#666;text-anchor:end}.key{font-size:10px}.line{fill:none;stroke-width:1.5}</style>",
        f'<rect width="{size[0]}" height="{size[1]}" fill="#f4f5f5"/>',
    ]
    for index, (panel, lines) in enumerate(filled):
        left, top = GAP + index % COLUMNS * (WIDTH + GAP), GAP + index // COLUMNS * (HEIGHT + GAP)
        out.extend(draw(panel, lines, start, end, left, top))
    out.append("</svg>")
    (HERE / "panels.svg").write_text("\n".join(out) + "\n")
    print(f"panels.svg: {len(filled)} of {len(panels)} panels have data")


if __name__ == "__main__":
    main()
