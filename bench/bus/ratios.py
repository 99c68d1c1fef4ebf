"""Ratios of figures of one run."""

from collections.abc import Mapping

Figures = Mapping[str, float | None]

PAIRS = {
    "handler_to_noop": ("handler_runs_per_s", "celery_noop_per_s"),
    "handler_to_noop_cpu": ("handler_runs_per_cpu_s", "celery_noop_per_cpu_s"),
    "latency_p50_to_noop": ("latency_p50_ms", "celery_noop_p50_ms"),
    "latency_p99_to_noop": ("latency_p99_ms", "celery_noop_p99_ms"),
}


def to_noop(figures: Figures) -> dict[str, float]:
    """Ours divided by those of Celery without the bus, where the run has both."""
    pairs = {name: (figures.get(ours), figures.get(theirs)) for name, (ours, theirs) in PAIRS.items()}
    return {name: round(ours / theirs, 2) for name, (ours, theirs) in pairs.items() if ours and theirs}


def to_other(ours: Figures, theirs: Figures) -> dict[str, float]:
    """Ours divided by those of another revision, where both have a number."""
    pairs = {name: (value, theirs.get(name)) for name, value in ours.items()}
    return {
        name: round(value / other, 3)
        for name, (value, other) in pairs.items()
        if isinstance(value, int | float) and other
    }
