"""Makes the rows of the aggregates say what a routing table says."""

from typing import Any

from gateway.aggregate_models import Aggregate, Leg
from gateway.draft.assigning import assign, save
from gateway.edge.aggregation.declaration import pairs


def load_aggregates(rows: list[dict[str, Any]]) -> None:
    """Change the rows to those of the table. Aggregates that it does not have are switched off."""
    named = {row["name"] for row in rows}
    Aggregate.objects.filter(enabled=True).exclude(name__in=named).update(enabled=False)
    held = {aggregate.name: aggregate for aggregate in Aggregate.objects.all()}
    for row in rows:
        store(held.get(row["name"]) or Aggregate(name=row["name"]), row)


def store(aggregate: Aggregate, row: dict[str, Any]) -> None:
    """Save the aggregate with the values and the legs of ``row``, and switch it on.

    Raises InvalidConfiguration.
    """
    legs = fill_in(aggregate, row)
    aggregate.enabled = True
    save(aggregate)
    aggregate.legs.all().delete()
    for leg in legs:
        leg.aggregate = aggregate
        save(leg)


def fill_in(aggregate: Aggregate, row: dict[str, Any]) -> list[Leg]:
    """Give the aggregate the values of ``row``. Returns its legs. Nothing is saved.

    Raises InvalidConfiguration for an unknown field.
    """
    values = {name: value for name, value in row.items() if name != "legs"}
    # Its texts are the defaults of the declaration where the row leaves them out.
    assign(aggregate, values, shown=[name for name in aggregate.document([]) if name != "legs"])
    legs = [Leg(position=position) for position in range(len(row["legs"]))]
    for leg, told in zip(legs, row["legs"], strict=True):
        assign(leg, told | {"fields": pairs(told.get("fields", ()))}, shown=list(leg.document()))
    return legs
