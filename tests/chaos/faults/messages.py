"""Messages doubled, shuffled, held back, published again, poisoned and rolled back."""

import random
import subprocess

from atoll import conf
from tests.chaos import poison, wire
from tests.chaos.faults.victims import Faults
from tests.chaos.inside_project import run_inside
from tests.chaos.schedule import Fault

COPIES = 40
ROLLBACKS = 4


class MessageFaults(Faults):
    def _duplicate(self, fault: Fault) -> str:
        return f"{self._copies(fault, shuffled=False)} messages"

    def _shuffle(self, fault: Fault) -> str:
        return f"{self._copies(fault, shuffled=True)} messages"

    def _copies(self, fault: Fault, *, shuffled: bool) -> int:
        assert self._mirror and self._system.node
        chance = random.Random(fault.seed)
        copies = self._mirror.recent(COPIES, chance)
        if shuffled:
            copies = copies + copies
            chance.shuffle(copies)
        return wire.send_copies(self._system.node.port, copies)

    def _delay(self, fault: Fault) -> str:
        assert self._system.node
        chance = random.Random(fault.seed)
        service = conf.project(fault.target).service
        queue = f"{'evt' if fault.target == 'orders' else 'cmd'}.{service}"
        held = wire.hold_back(self._system.node.port, queue, fault.lasts_s, chance)
        return f"{held} messages for {fault.lasts_s:.1f} s"

    def _announce_again(self, fault: Fault) -> str:
        """Make published outbox rows due again, as after a relay that died before it marked them."""
        count = self._sql(
            conf.project(fault.target).database,
            """WITH again AS (
                 UPDATE atoll_bus_outbox SET status = 'pending', next_attempt_at = now(), published_at = NULL
                 WHERE id IN (SELECT id FROM atoll_bus_outbox WHERE status = 'published'
                              ORDER BY random() LIMIT %s) RETURNING 1)
               SELECT count(*) FROM again""",
            COPIES,
        )
        return f"{count} messages"

    def _poison(self, fault: Fault) -> str:
        assert self._system.node
        chance = random.Random(fault.seed)
        service = conf.project(fault.target).service
        made = [poison.make(sort, fault.target) for sort in chance.sample(poison.SORTS, 6)]
        poisons = [one for one in made if one]
        queue = f"{'cmd' if fault.target in poison.COMMANDS else 'evt'}.{service}"
        for one in poisons:
            # Publish one by one, and write to the journal after the broker's confirm.
            wire.feed(self._system.node.port, queue, [one])
            self._journal.write(
                "poison", project=fault.target, sort=one.sort, token=one.token, expected=one.expected
            )
        return f"{len(poisons)} messages"

    def _rollback(self, fault: Fault) -> str:
        done = run_inside(fault.target, "rollback", str(ROLLBACKS))
        ids = done.stdout.split()
        if len(ids) < ROLLBACKS:
            raise subprocess.SubprocessError(done.stderr)
        self._journal.write("rolled_back", project=fault.target, ids=ids)
        return f"{len(ids)} messages"
