"""Floods of wrong credentials at the registry, and heartbeats held back."""

from tests.chaos import registry
from tests.chaos.faults.victims import Faults
from tests.chaos.schedule import Fault


class RegistryFaults(Faults):
    def _bad_credentials(self, fault: Fault) -> str:
        return f"{registry.flood(fault.lasts_s, self._stopping.wait, self._note)} guesses"

    def _everybody_silent(self, fault: Fault) -> str:
        proxy = self._system.proxies["registry"]
        self._system.call(proxy.refuse)
        kept = registry.silence(fault.lasts_s, self._stopping.wait, self._note)
        self._system.call(lambda: proxy.restore(cut=True))
        return f"for {fault.lasts_s:.1f} s, {kept} services kept their lists"

    def _note(self, invariant: str, text: str) -> None:
        self._journal.write("registry", invariant=invariant, text=text)
