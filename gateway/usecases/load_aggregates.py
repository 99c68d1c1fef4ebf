"""Creates the aggregates that ship with the repository."""

from gateway.aggregate_models import Aggregate
from gateway.draft.aggregate_rows import store
from gateway.edge.aggregation.shipped import shipped


def load_aggregates() -> list[str]:
    """Create the missing ones and leave the others as they are. Returns the new names; publishes nothing."""
    held = set(Aggregate.objects.values_list("name", flat=True))
    missing = [row for row in shipped() if row["name"] not in held]
    for row in missing:
        store(Aggregate(name=row["name"], shipped=True), row)
    return [f"aggregate {row['name']}" for row in missing]
