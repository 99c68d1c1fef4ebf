"""``python -m tests.chaos.check JOURNAL``: every invariant with its number of violations.

``found.json`` beside the journal lists all violations. The last line is one JSON object. The
exit code is 1 after any violation.
"""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.chaos.check import bus, registry, shop
from tests.chaos.check.evidence import Evidence

SHOWN = 5

# The numbers are those of docs/decisions/0036.
INVARIANTS: dict[str, Callable[[Evidence], Iterator[str]]] = {
    "accepted_order_lost": shop.accepted_order_lost,
    "order_doubled": shop.order_doubled,
    "charge_not_once": shop.charge_not_once,
    "stock_not_conserved": shop.stock_not_conserved,
    "sums_differ": shop.sums_differ,
    "I1_not_published": bus.not_published,
    "I2_effect_without_commit": bus.effect_without_commit,
    "I3_not_exactly_once": bus.not_exactly_once,
    "I4_out_of_order": bus.out_of_order,
    "I5_blocked": bus.blocked,
    "I6_attempts_wasted": bus.attempts_wasted,
    "I7_order_not_final": shop.order_not_final,
    "I8_poison_astray": bus.poison_astray,
    "I9_replay_took_effect": bus.replay_took_effect,
    "I11_queue_not_empty": bus.queue_not_empty,
    "I12_correlation_lost": bus.correlation_lost,
    "valid_credential_refused": registry.valid_credential_refused,
    "silent_service_emptied": registry.silent_service_emptied,
}


def main(journal: Path) -> int:
    evidence = Evidence(journal)
    counts: dict[str, int] = {}
    said: dict[str, list[str]] = {}
    print(f"{len(evidence.accepted)} orders accepted, {len(evidence.outbox)} messages committed.")
    for name, check in INVARIANTS.items():
        found = said[name] = list(check(evidence))
        counts[name] = len(found)
        print(f"{name:<26} {len(found):>6}")
        for text in found[:SHOWN]:
            print(f"    {text}")
        if len(found) > SHOWN:
            print(f"    and {len(found) - SHOWN} more")
    summary = {
        "seed": evidence.run["seed"],
        "minutes": evidence.run["minutes"],
        "orders": len(evidence.accepted),
        "messages": len(evidence.outbox),
        "faults": evidence.end.get("faults", {}),
        "needs_attention": shop.needs_attention(evidence),
        "violations": counts,
        "engines": evidence.run["engines"],
    }
    journal.with_name("found.json").write_text(json.dumps(said, indent=1))
    print(json.dumps(summary))
    return int(any(counts.values()))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
