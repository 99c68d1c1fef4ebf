"""The HTML page about a run: one file, without anything from elsewhere."""

import time
from html import escape

from load.charts import Line, chart
from load.figures import Slice
from load.run import SHARES, Run
from load.screen import rows

STYLE = """
:root { color-scheme: light dark; --ink: #1c2530; --paper: #fff; --faint: #d8dee6;
  --one: #1f6feb; --two: #b35900; --three: #c2255c; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --paper: #10151c; --faint: #333d49;
  --one: #6cb0ff; --two: #f0a04b; --three: #ff7fa8; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 900px; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; } td, th { padding: .15rem 1rem .15rem 0; text-align: right; }
td:first-child, th:first-child { text-align: left; white-space: pre; }
figure { margin: 2rem 0; } figcaption { font-weight: 600; } small { font-weight: 400; }
svg { width: 100%; height: auto; } svg text { fill: var(--ink); font-size: 11px; }
.left { text-anchor: end; dominant-baseline: middle; }
.below { text-anchor: middle; } .grid { stroke: var(--faint); }
path { fill: none; stroke-width: 1.8; } .point { fill: transparent; }
.one { color: var(--one); stroke: var(--one); } .two { color: var(--two); stroke: var(--two); }
.three { color: var(--three); stroke: var(--three); }
span.one, span.two, span.three { font-weight: 600; margin-left: .8rem; }
"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
NOTE = (
    "Durations of POST count from the time at which the order was due, those from accepted to final by the "
    "clock of the orders service."
)
STYLES = ("one", "two", "three")


def report(run: Run) -> str:
    """The page as a string, with a content security policy that admits only its own styles."""
    plan = run.plan
    slices, width_s = run.figures.slices, run.figures.width_s
    times_s = [index * width_s for index in range(len(slices))]
    rate = "as fast as answered" if plan.per_s is None else f"{plan.per_s:g} orders/s"
    title = f"Load: {rate} for {plan.seconds:g} s"
    ended = time.strftime("%Y-%m-%d %H:%M:%S %Z")
    lines = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>",
        f"<h1>{escape(title)}</h1>",
        f"<p>Through {escape(plan.gateway_url)}, ended at {escape(ended)}. {NOTE} "
        f"Each point of a chart stands for the orders due in {width_s:g} s.</p>",
        _table(run),
        chart("Orders", "per second", times_s, _rates(slices, width_s)),
        chart("POST /api/orders", "ms", times_s, _durations(slices, "answers")),
        chart("Accepted to final", "ms", times_s, _durations(slices, "finals")),
        chart("Errors", "per second", times_s, [_errors(slices, width_s)]),
        "</body></html>\n",
    ]
    return "\n".join(lines)


def _table(run: Run) -> str:
    head, *body = rows(run, run.figures.total())
    lines = ["<table><tr>" + "".join(f"<th>{escape(cell)}</th>" for cell in head) + "</tr>"]
    lines += ["<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in columns) + "</tr>" for columns in body]
    return "\n".join([*lines, "</table>"])


def _rates(slices: list[Slice], width_s: float) -> list[Line]:
    return [
        Line("sent", "two", [(part.accepted + part.failed) / width_s for part in slices]),
        Line("accepted", "one", [part.accepted / width_s for part in slices]),
    ]


def _durations(slices: list[Slice], name: str) -> list[Line]:
    return [
        Line(key, style, [getattr(part, name).percentile_ms(share) for part in slices])
        for (key, share), style in zip(SHARES.items(), STYLES, strict=True)
    ]


def _errors(slices: list[Slice], width_s: float) -> Line:
    return Line("failed", "three", [part.failed / width_s for part in slices])
