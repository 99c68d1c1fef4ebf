"""For whom it stops when instances or credentials go: counts for the page that asks before."""

from collections.abc import Iterable

from registry import selectors
from registry.console.topology.edges import edges
from registry.models import Credential, Instance

IN_TRAFFIC = ("healthy", selectors.LAST_KNOWN)
WORKER = ".worker"
NAMED = 10


def of_instances(instances: Iterable[Instance]) -> list[str]:
    """For each service: how many of its instances stay in traffic, and who called it if none stays."""
    chosen = list(instances)
    leaving = {instance.pk for instance in chosen}
    names = sorted({instance.service.name for instance in chosen})
    return [_of_service(name, leaving) for name in names]


def _of_service(name: str, leaving: set[int]) -> str:
    if name.endswith(WORKER):
        return (
            f"{name}: nothing stops. A worker takes its messages from the broker, not by the registry: it "
            "goes on until its process ends."
        )
    in_traffic = [
        instance
        for instance in selectors.with_health(Instance.objects.filter(service__name=name))
        if selectors.status(instance) in IN_TRAFFIC
    ]
    going = sum(instance.pk in leaving for instance in in_traffic)
    left = len(in_traffic) - going
    if not going:
        return f"{name}: none of these is in traffic now. In traffic: {left}."
    if left:
        return f"{name}: {going} of {len(in_traffic)} in traffic leave, {left} stay."
    return (
        f"{name}: no instance is left. All of its callers get errors, and clients of the gateway 503, until "
        f"another instance is in traffic. {_callers(name)}"
    )


def _callers(name: str) -> str:
    calls = [one for one in edges() if one.kind == "call" and one.target == name and one.counts.count]
    if not calls:
        return "The console has seen no call of it in the last five minutes."
    calls.sort(key=lambda one: -one.counts.count)
    named = ", ".join(f"{one.source} ({one.counts.count:,.0f})" for one in calls[:NAMED])
    more = f" and {len(calls) - NAMED} more" if len(calls) > NAMED else ""
    return f"Calls in the last five minutes: {named}{more}."


def of_credentials(credentials: Iterable[Credential]) -> list[str]:
    """One sentence for each service: its instances, and the credentials that it keeps."""
    chosen = [credential for credential in credentials if credential.revoked_at is None]
    return [
        _of_owner(service, {one.pk for one in chosen}) for service in sorted({one.service for one in chosen})
    ]


def _of_owner(service: str, revoked: set[int]) -> str:
    registered = Instance.objects.filter(service__name__in=(service, service + WORKER))
    live = sum(selectors.status(one) in ("healthy", "draining") for one in selectors.with_health(registered))
    kept = Credential.objects.filter(service=service, revoked_at=None).exclude(pk__in=revoked).count()
    return f"{service}: running instances and workers: {live}. Other credentials that stay: {kept}."
